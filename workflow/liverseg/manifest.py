"""A manifest of the data: one SHA-256 a file, by patient and part, and the check against it.

A changed voxel in a plain .nii leaves a file that is sound in every other way; only a digest taken
when the data were right finds it. Keyed by patient and part ("ct", "label"), not by path, so that
it holds wherever the files lie and says nothing of their names. What is hashed are the user's own
files: what an import or a corrected spacing makes of them changes with the settings.
"""

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import fault
from workflow.liverseg.files import write_text
from workflow.liverseg.findings import Finding, Refusal, finding_from_json, reject, warn, worst
from workflow.liverseg.layouts import PATIENT_ID

COLUMNS = ("patient", "part", "sha256")
OWN_CODES = {"manifest_differs", "manifest_gone"}


def read_manifest(path: Path) -> dict[str, dict[str, str]]:
    """Read a manifest: patient, then part, then SHA-256; LiversegError where it is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise fault(
            file=path,
            found=error.strerror or "no file",
            expected="the manifest that inspection.manifest names",
            remedy="correct the path, or set inspection.manifest: null",
        ) from error
    except UnicodeDecodeError as error:
        raise fault(
            file=path,
            found=f"bytes that are not UTF-8 (position {error.start})",
            expected="the manifest that inspection.manifest names",
            remedy="write the manifest again: snakemake write_manifest",
        ) from None
    rows = csv.DictReader(lines, delimiter="\t")
    manifest: dict[str, dict[str, str]] = {}
    for row in rows:
        digest = row.get("sha256") or ""
        if tuple(rows.fieldnames or ()) != COLUMNS or not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise fault(
                file=path,
                found=f"a line (number {rows.line_num}) that is no entry of a manifest",
                expected="a table with the columns patient, part, sha256",
                remedy="write the manifest again: snakemake write_manifest",
            )
        manifest.setdefault(row["patient"], {})[row["part"]] = digest
    return manifest


def write_manifest(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write the digests of all inspected files, sorted by patient, but of those rejected.

    A patient rejected by the manifest of before alone is written: the change may have been meant.
    """
    lines = ["\t".join(COLUMNS)]
    for record in sorted(records, key=lambda record: record["patient"]):
        against = {one["code"] for one in record["findings"] if one["verdict"] == "reject"}
        if against <= OWN_CODES:
            lines += [
                f"{record['patient']}\t{part}\t{digest}"
                for part, digest in sorted(record["sha256"].items())
            ]
    write_text(path, "\n".join(lines) + "\n")


def with_manifest(
    record: Mapping[str, Any], manifest: Mapping[str, str] | None, sources: Mapping[str, str]
) -> dict[str, Any]:
    """Return an inspection's record with the digests of the user's files, and what differs.

    `sources` are the digests, by part, of files that were inspected in another form; `manifest` is
    the patient's entry, None where there is no manifest.
    """
    sha256 = {**record["sha256"], **sources}
    findings = [finding_from_json(found) for found in record["findings"]]
    if manifest is not None:
        findings += check_against(manifest, sha256, labelled=record["labelled"])
    return {
        **record,
        "sha256": sha256,
        "verdict": worst(findings),
        "findings": [finding.to_json() for finding in findings],
    }


def check_against(
    manifest: Mapping[str, str], sha256: Mapping[str, str], *, labelled: bool
) -> list[Finding]:
    """Compare a patient's digests with the manifest's entry, both ways."""
    findings = []
    for part, digest in sha256.items():
        if part not in manifest:
            findings.append(_not_listed(part))
        elif manifest[part] != digest:
            findings.append(_changed(part))
    if "label" in manifest and not labelled:
        findings.append(_gone())
    return findings


def gone_patients(manifest: Iterable[str], known: Collection[str]) -> list[Refusal]:
    """Remark on each patient whom the manifest lists and the cohort lacks."""
    return [
        # What cannot be an id may be a person's name, and is not repeated.
        Refusal(patient if PATIENT_ID.fullmatch(patient) else "-", _patient_gone())
        for patient in sorted(set(manifest) - set(known))
    ]


def _gone() -> Finding:
    return reject(
        "manifest_gone",
        "label",
        found="no label, where the manifest lists one",
        expected="each file that the manifest lists",
        remedy="restore the file; if it was taken out on purpose, write the manifest again",
    )


def _patient_gone() -> Finding:
    return warn(
        "manifest_patient_gone",
        "patient",
        found="nobody of this id, whom the manifest lists",
        expected="each patient whom the manifest lists",
        remedy="restore the files; if they were taken out on purpose, write the manifest again",
    )


def _not_listed(part: str) -> Finding:
    return warn(
        "manifest_missing",
        part,
        found="a file that the manifest does not list",
        expected="an entry for each file",
        remedy="write the manifest again once the data are known to be right",
    )


def _changed(part: str) -> Finding:
    return reject(
        "manifest_differs",
        part,
        found="other bytes than when the manifest was written",
        expected="the SHA-256 in the manifest",
        remedy="restore the file; if the change was meant, write the manifest again",
    )
