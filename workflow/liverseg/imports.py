"""Bring a patient's files of other formats in as NIfTI, or say why that cannot be.

A patient who is refused here does not stop the others: the volume becomes an empty file, and
the record beside it holds the finding, which the inspection passes on.
"""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workflow.liverseg.files import read_json, sha256, whole, write_json
from workflow.liverseg.findings import Finding, Rejection, reject, worst
from workflow.liverseg.images import Image, write_image
from workflow.liverseg.nifti_stream import read_grid
from workflow.liverseg.pseudonyms import secret_at

ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
DETACHED = re.compile(rb"^(?:ElementDataFile|data ?file)\s*[=:]\s*(\S.*?)\s*$", re.M | re.I)


def import_image(
    sources: Sequence[Path], label_sources: Sequence[Path], ct: Path, record: Path, secret: Path
) -> None:
    """Write the CT of one patient (int16 HU, fresh header) and the record of its import.

    What DICOM files say of the person leaves keyed with what `secret` holds, also where the CT is
    refused.
    """
    findings: tuple[Finding, ...] = ()
    content: dict[str, Any] = {}
    try:
        if _is_itk(sources):
            from workflow.liverseg.itk_images import read_ct

            image = read_ct(sources[0])
            content = {"format": "ITK"}
        else:
            from workflow.liverseg.dicom import import_headers
            from workflow.liverseg.dicom_persons import identity_in
            from workflow.liverseg.dicom_series import read_headers

            headers = read_headers(sources)
            person = identity_in(one.identity for one in headers.slices)
            content = {"person": person.under(secret_at(secret))}
            dicom_labels = [] if _is_itk(label_sources) else label_sources
            imported = import_headers(headers, [one for one in dicom_labels if not _nifti(one)])
            image, findings = imported.image, imported.findings
            content |= imported.record
        write_image(ct, image.data, image.affine)
    except Rejection as rejection:
        findings = (rejection.finding,)
        _refuse(ct)
    _write_record(record, content, findings, sources)


def import_label(
    sources: Sequence[Path],
    ct: Path,
    ct_record: Path | None,
    structures: Sequence[Mapping[str, Any]],
    label: Path,
    record: Path,
) -> None:
    """Write the label of one patient on the grid of its CT, and the record of its import.

    `ct` is a NIfTI file, imported or the user's own; `ct_record` that of its import if it was.
    """
    findings: list[Finding] = []
    content: dict[str, Any] = {}
    try:
        grid = _grid(ct)
        if _is_itk(sources):
            from workflow.liverseg.itk_images import read_label

            content = {"format": "ITK"}
            values, findings = read_label(sources[0], grid, structures)
        else:
            from workflow.liverseg.structures import read_structures

            content = {"format": "DICOM"}
            values, findings = read_structures(
                _only(sources), grid, _series_digest(ct_record), structures
            )
        write_image(label, _smallest(values), grid.affine)
    except Rejection as rejection:
        findings = [rejection.finding]
        _refuse(label)
    _write_record(record, content, findings, sources)


def _is_itk(sources: Sequence[Path]) -> bool:
    return len(sources) == 1 and sources[0].name.lower().endswith(ITK_SUFFIXES)


def _nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _only(sources: Sequence[Path]) -> Path:
    if len(sources) == 1:
        return sources[0]
    raise Rejection(
        reject(
            "label_several",
            "label",
            found=f"{len(sources)} label files",
            expected="one SEG or RTSTRUCT object",
            remedy="give the path of one file in the label column",
        )
    )


def _grid(ct: Path) -> Image:
    """Return shape and affine of a CT with voxels that take no memory."""
    if ct.stat().st_size == 0:
        raise _no_ct("a label whose CT could not be imported")
    header = read_grid(ct, "ct")
    if len(header.shape) < 3:
        raise _no_ct("a label whose CT is no volume")
    return Image(np.broadcast_to(np.uint8(0), header.shape[:3]), header.affine)


def _no_ct(found: str) -> Rejection:
    return Rejection(
        reject("ct_not_imported", "label", found=found, expected="a CT", remedy="mend the CT first")
    )


def _series_digest(record: Path | None) -> str | None:
    if record is None:
        return None
    return read_json(record).get("series", {}).get("digest")


def _smallest(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint8) if values.max(initial=0) < 256 else values


def _refuse(path: Path) -> None:
    with whole(path) as temporary:
        temporary.write_bytes(b"")


def _write_record(
    record: Path, content: dict[str, Any], findings: Sequence[Finding], sources: Sequence[Path]
) -> None:
    content = {
        "verdict": worst(findings),
        "sha256": digest_of_files(sources),
        **content,
        "findings": [finding.to_json() for finding in findings],
    }
    write_json(record, content)


def digest_of_files(sources: Sequence[Path]) -> str:
    """Return a file's SHA-256, or that of the sorted SHA-256 of several: their names do not count.

    A header with its voxels in another file counts together with it.
    """
    files = [*sources, *(data for path in sources if (data := _detached(path)) is not None)]
    digests = sorted(sha256(path) for path in files)
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _detached(header: Path) -> Path | None:
    """Return the file that holds the voxels of a .mhd or .nhdr, where it names one."""
    if header.suffix.lower() not in (".mhd", ".nhdr"):
        return None
    named = DETACHED.search(header.read_bytes())
    data = header.parent / os.fsdecode(named[1]) if named else header.parent
    return data if data.is_file() else None
