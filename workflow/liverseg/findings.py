"""What the intake says about a patient: one finding, one verdict, one remedy.

Findings never carry a path, a header text or anything else that may hold a person's name: the
file is named by its part ("ct", "label"), the patient by the id, and the sheet says which file
that is.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["reject", "repair", "warn"]
SEVERITY: dict[str, int] = {"warn": 1, "repair": 2, "reject": 3}
NAME_OF_VERDICT = {0: "admitted", 1: "warned", 2: "repaired", 3: "rejected"}


@dataclass(frozen=True)
class Finding:
    """One thing that inspection found out.

    `code` is the stable name that docs/faults.md lists; `part` is "ct", "label" or "patient".
    """

    code: str
    verdict: Verdict
    part: str
    found: str
    expected: str
    remedy: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Refusal:
    """A finding about a patient whose files never reach an inspection, with the patient's id."""

    patient: str
    finding: Finding

    def to_json(self) -> dict[str, str]:
        """Return the refusal as one flat JSON object."""
        return {"patient": self.patient, **self.finding.to_json()}


def finding_from_json(record: dict[str, Any]) -> Finding:
    """Read a finding back from a record; keys that a finding does not have are ignored."""
    return Finding(**{name: record[name] for name in Finding.__dataclass_fields__})


def worst(findings: Iterable[Finding]) -> str:
    """Return "admitted", "warned", "repaired" or "rejected": the gravest of the findings."""
    return NAME_OF_VERDICT[max((SEVERITY[finding.verdict] for finding in findings), default=0)]


class Rejection(Exception):
    """Raised inside the intake when nothing further can be found out about a patient."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.part}: found {finding.found}; expected {finding.expected}")
        self.finding = finding


def reject(code: str, part: str, *, found: str, expected: str, remedy: str) -> Finding:
    """Build a finding that rejects the patient."""
    return Finding(code, "reject", part, found, expected, remedy)


def repair(code: str, part: str, *, found: str, expected: str, remedy: str) -> Finding:
    """Build a finding that was put right on the way in; `remedy` says how."""
    return Finding(code, "repair", part, found, expected, remedy)


def warn(code: str, part: str, *, found: str, expected: str, remedy: str) -> Finding:
    """Build a finding that the user should know of."""
    return Finding(code, "warn", part, found, expected, remedy)
