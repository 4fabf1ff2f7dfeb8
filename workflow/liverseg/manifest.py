"""A manifest of the data: one SHA-256 a file, by patient and part, and the check against it.

A changed voxel in a plain .nii leaves a file that is sound in every other way; only a digest taken
when the data were right finds it. Keyed by patient and part ("ct", "label"), not by path, so that
it holds wherever the files lie and says nothing of their names.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import fault
from workflow.liverseg.files import write_text
from workflow.liverseg.findings import Finding, reject, warn

COLUMNS = ("patient", "part", "sha256")


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
    """Write the digests of all inspected files that were not rejected, sorted by patient."""
    lines = ["\t".join(COLUMNS)]
    for record in sorted(records, key=lambda record: record["patient"]):
        if record["verdict"] != "rejected":
            lines += [
                f"{record['patient']}\t{part}\t{digest}"
                for part, digest in sorted(record["sha256"].items())
            ]
    write_text(path, "\n".join(lines) + "\n")


def check_against(manifest: Mapping[str, str] | None, sha256: Mapping[str, str]) -> list[Finding]:
    """Compare a patient's digests with the manifest's entry; None where there is no manifest."""
    if manifest is None:
        return []
    findings = []
    for part, digest in sha256.items():
        if part not in manifest:
            findings.append(_not_listed(part))
        elif manifest[part] != digest:
            findings.append(_changed(part))
    return findings


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
