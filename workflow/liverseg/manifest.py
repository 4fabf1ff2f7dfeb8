"""A manifest of the data: one SHA-256 a file, by patient and part, and the check against it.

A changed voxel in a plain .nii leaves a file that is sound in every other way; only a digest taken
when the data were right finds it. Keyed by patient and part ("ct", "label"), not by path, so that
it holds wherever the files lie and says nothing of their names. Ids that stand for hidden names
hang on the working directory's secret: with another one the manifest is refused. What is hashed
are the user's own files: what an import or a corrected spacing makes of them changes with the
settings.
"""

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import fault
from workflow.liverseg.files import write_text
from workflow.liverseg.findings import Finding, Refusal, finding_from_json, reject, warn, worst
from workflow.liverseg.layouts import HIDDEN_ID, PATIENT_ID
from workflow.liverseg.pseudonyms import SECRET

COLUMNS = ("patient", "part", "sha256")
Manifest = Mapping[str, Mapping[str, str]]


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


def check_secret(path: Path, manifest: Manifest, known: Collection[str]) -> None:
    """Refuse a manifest whose hidden ids are others than here; `known` are the cohort's ids.

    Both sides must lack some: patients who are gone, or new, are no sign of another secret.
    """
    lost, new = (
        {patient for patient in ids if HIDDEN_ID.fullmatch(patient)}
        for ids in (set(manifest) - set(known), set(known) - set(manifest))
    )
    if lost and new:
        raise fault(
            file=path,
            found=f"{len(lost)} ids such as {min(lost)} that nobody has here, where {len(new)} "
            "others stand for hidden names",
            expected=f"the working directory's {SECRET} to be that of when it was written",
            remedy=f"copy {SECRET} from where the manifest was written; if these patients are "
            "gone, take their rows out of the manifest",
        )


def renewed(records: Iterable[Mapping[str, Any]], before: Manifest) -> dict[str, dict[str, str]]:
    """Return a manifest of all inspected files; what `before` lists stays as it is there.

    A file that differs may be damaged, so that only a row taken out of `before` makes room for
    another digest. Files of a patient rejected are not added; patients who are gone are left out.
    """
    manifest = {}
    for record in records:
        sound = not any(one["verdict"] == "reject" for one in record["findings"])
        entry = {**(record["sha256"] if sound else {}), **before.get(record["patient"], {})}
        if entry:
            manifest[record["patient"]] = entry
    return manifest


def changes(
    manifest: Manifest, before: Manifest, records: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Say, a line an entry, what is new against `before`, gone, or kept though the file differs."""
    found = {record["patient"]: record["sha256"] for record in records}
    lines = []
    for patient in sorted({*manifest, *before}):
        # What cannot be an id may be a person's name, and is not repeated.
        name = patient if PATIENT_ID.fullmatch(patient) else "-"
        old, new = before.get(patient, {}), manifest.get(patient, {})
        for part in sorted({*old, *new}):
            if part not in old:
                lines.append(f"{name} ({part}): added")
            elif part not in new:
                lines.append(f"{name} ({part}): taken out, as nobody of this id is here")
            elif found[patient].get(part) != old[part]:
                lines.append(f"{name} ({part}): kept as it was, though the file differs or is gone")
    return lines


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest, sorted by patient and part."""
    lines = ["\t".join(COLUMNS)]
    for patient, entry in sorted(manifest.items()):
        lines += [f"{patient}\t{part}\t{digest}" for part, digest in sorted(entry.items())]
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
        remedy="restore the file; if it was taken out on purpose, take its row out of the manifest",
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
        remedy="restore the file; if the change was meant, take its row out of the manifest and "
        "write that again",
    )
