"""Whom the cohort admits: the records of all patients weighed together, duplicates found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.findings import Finding, Refusal, finding_from_json, reject, worst
from workflow.liverseg.persons import Told, remarks_on, told_persons
from workflow.liverseg.unions import joined

COHORT_COLUMNS = [
    "patient",
    "verdict",
    "labelled",
    "group",
    "split",
    "repairs",
    "warnings",
    "slices",
    "slice_spacing_mm",
    "spacing_mm",
    "orientation",
    "foreground_ml",
    "voxel_digest",
    "label_digest",
]
REJECTED_COLUMNS = ["patient", "code", "part", "found", "expected", "remedy"]
SHOWN = 20  # rejections in the words of an error


@dataclass(frozen=True)
class Person:
    """What the sheet says of a patient beyond the files."""

    group: str
    split: str | None = None


@dataclass(frozen=True)
class Admission:
    """One row a patient admitted, one row a finding that rejected, one a remark on the sheet."""

    cohort: pd.DataFrame
    rejected: pd.DataFrame
    remarks: pd.DataFrame


def admit(
    records: Sequence[Mapping[str, Any]],
    *,
    refused: Sequence[Refusal] = (),
    people: Mapping[str, Person],
) -> Admission:
    """Weigh all records: admit, or reject with code, finding and remedy.

    `records` are those of `inspection.inspect`; `refused` are findings about what was never
    read: those that warn become remarks. Scans under two names are found by their digests.
    """
    records = sorted(records, key=lambda record: record["patient"])
    findings = {
        record["patient"]: [finding_from_json(found) for found in record["findings"]]
        for record in records
    }
    for patient, finding in find_duplicates(records):
        findings[patient].append(finding)
    rejections = [refusal for refusal in refused if refusal.finding.verdict == "reject"]
    remarks = [refusal for refusal in refused if refusal.finding.verdict != "reject"]
    admitted = []
    for record in records:
        patient = record["patient"]
        bad = [finding for finding in findings[patient] if finding.verdict == "reject"]
        rejections += [Refusal(patient, finding) for finding in bad]
        if not bad:
            admitted.append(record)
    told = told_persons(records)
    own = {record["patient"]: people[record["patient"]].group for record in records}
    remarks += remarks_on(told, records, own)
    groups = join_persons(records, own, [record["patient"] for record in admitted], told)
    rows = [
        _row(r, findings[r["patient"]], replace(people[r["patient"]], group=groups[r["patient"]]))
        for r in admitted
    ]
    cohort = pd.DataFrame(rows, columns=COHORT_COLUMNS)
    return Admission(cohort, _table(rejections), _table(remarks))


def _table(refusals: Iterable[Refusal]) -> pd.DataFrame:
    ordered = sorted(refusals, key=lambda refusal: refusal.patient)
    rows = [{key: one.to_json()[key] for key in REJECTED_COLUMNS} for one in ordered]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS)


def _row(record: Mapping[str, Any], findings: Sequence[Finding], person: Person) -> dict:
    geometry = record["geometry"]
    label = record.get("label", {})
    codes = {
        verdict: " ".join(dict.fromkeys(f.code for f in findings if f.verdict == verdict))
        for verdict in ("repair", "warn")
    }
    return {
        "patient": record["patient"],
        "verdict": worst(findings),
        "labelled": "yes" if record["labelled"] else "no",
        "group": person.group,
        "split": person.split or "",
        "repairs": codes["repair"],
        "warnings": codes["warn"],
        "slices": geometry["shape"][geometry["slice_axis"]],
        "slice_spacing_mm": geometry["spacing_mm"][geometry["slice_axis"]],
        "spacing_mm": " ".join(f"{x:.4g}" for x in geometry["spacing_mm"]),
        "orientation": geometry["orientation"],
        "foreground_ml": label.get("foreground_ml", ""),
        "voxel_digest": record["ct"]["voxel_digest"],
        "label_digest": label.get("voxel_digest", ""),
    }


WITHOUT_CONTENT = {"not_ct"}  # a single value in every voxel, or no image of a body


def join_persons(
    records: Iterable[Mapping[str, Any]],
    groups: Mapping[str, str],
    admitted: Sequence[str],
    told: Iterable[Told],
) -> dict[str, str]:
    """Return the group of each admitted patient; groups with a scan or a person in common are one.

    `groups` are those of all patients, `told` the persons by their headers. A rejected scan joins
    as well: who it is stays known, and its group may hold others. One without content says nothing:
    blank exports of two persons are equal. Named by the groups of those who are admitted, so that
    a rejected patient renames nobody's.
    """
    sharing: dict[str, list[str]] = {}
    for record in records:
        if any(one["code"] in WITHOUT_CONTENT for one in record["findings"]):
            continue
        if digest := record.get("ct", {}).get("voxel_digest"):
            sharing.setdefault(digest, []).append(groups[record["patient"]])
    persons = [[groups[patient] for patient in one.patients] for one in told]
    own = {patient: groups[patient] for patient in admitted}
    roots = joined([*sharing.values(), *persons, *([group] for group in own.values())])
    name: dict[str, str] = {}
    for group in sorted(own.values()):
        name.setdefault(roots[group], group)
    return {patient: name[roots[group]] for patient, group in own.items()}


def find_duplicates(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, Finding]]:
    """Find scans under two names; returns the patients to reject with the finding.

    With equal labels (or where only one has a label) one is kept, the first that has a label;
    with different ones nobody knows which is right, and all are rejected.
    """
    by_digest: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        digest = record.get("ct", {}).get("voxel_digest")
        if digest and record["verdict"] != "rejected":
            by_digest.setdefault(digest, []).append(record)
    found = []
    for same in by_digest.values():
        if len(same) < 2:
            continue
        labels = {r["label"].get("voxel_digest") for r in same if r.get("label")}
        kept = next((r for r in same if r.get("label")), same[0])
        for record in same:
            others = [r["patient"] for r in same if r is not record]
            if len(labels) > 1:
                found.append((record["patient"], _different_labels(others)))
            elif record is not kept:
                found.append((record["patient"], _same_scan(kept["patient"])))
    return found


def _same_scan(kept: str) -> Finding:
    return reject(
        "duplicate_scan",
        "ct",
        found=f"the same voxels as {kept}, which was kept",
        expected="each scan once",
        remedy="take one of the two out of the table",
    )


def _different_labels(others: Sequence[str]) -> Finding:
    return reject(
        "duplicate_labels_differ",
        "label",
        found=f"the same CT as {', '.join(others)} with another label",
        expected="one label for one CT",
        remedy="find out which label is right and keep that patient alone",
    )


def check_admission(
    cohort: pd.DataFrame, rejected: pd.DataFrame, settings: Mapping[str, Any]
) -> None:
    """Stop where nobody is admitted, or where the config allows fewer rejections.

    `settings` is the config's `inspection`. LiversegError lists what was rejected and why, the
    first of them.
    """
    number = rejected["patient"].nunique()
    limit = settings["max_rejected"]
    if len(cohort) == 0:
        reason = "No patient was admitted."
    elif number and settings["on_reject"] == "stop":
        reason = f"{number} patients were rejected, and inspection.on_reject is `stop`."
    elif limit is not None and number > limit:
        reason = f"{number} patients were rejected; inspection.max_rejected is {limit}."
    else:
        return
    lines = rejection_lines(rejected)
    if len(lines) > SHOWN:
        lines = [*lines[:SHOWN], f"  … and {len(lines) - SHOWN} more"]
    lines.append(
        "All of them: results/cohort/rejected.tsv. A page with pictures: `snakemake inspect`, with "
        "the same options."
    )
    raise LiversegError("\n".join([reason, *lines]))


def rejection_lines(rejected: pd.DataFrame) -> list[str]:
    """A line a rejection: patient, part, what was found, remedy."""
    rows = rejected.to_dict("records")
    return [f"  {r['patient']} ({r['part']}): {r['found']} — {r['remedy']}" for r in rows]
