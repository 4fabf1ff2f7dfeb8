"""Write an image again with the spacing that its header lost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workflow.liverseg.files import whole
from workflow.liverseg.findings import Rejection
from workflow.liverseg.images import gzip_writer, write_image
from workflow.liverseg.intake import same_grid, three_dimensional, to_hu
from workflow.liverseg.nifti_header import Header
from workflow.liverseg.nifti_stream import GZIP_MAGIC, Volume, read_grid, read_volume


def correct_spacing(
    source: Path, ct: Path, image: Path, part: str, spacing_mm: Sequence[float]
) -> None:
    """Write `source`, the patient's `ct` or label, with the CT's axes as long as the table says.

    The voxels stay the same. A label goes along with its CT, whichever way it is stored: the
    table's x, y, z are the CT's axes. What cannot be read, or doesn't lie on the CT as it was, is
    handed on as it is: the inspection says what is wrong with it.
    """
    try:
        volume = read_volume(source, part)
        grid = volume.header if part == "ct" else read_grid(ct, "ct")
        voxels = _voxels(volume) if part == "ct" or _lies_on(grid, volume) else None
    except Rejection:
        voxels = None
    if voxels is None:
        _hand_on(source, image)
        return
    header = volume.header
    corrected = grid.affine.copy()
    corrected[:3, :3] *= np.asarray(spacing_mm) / np.linalg.norm(corrected[:3, :3], axis=0)
    affine = corrected if part == "ct" else corrected @ np.linalg.inv(grid.affine) @ header.affine
    write_image(image, voxels, affine)


def _voxels(volume: Volume) -> np.ndarray:
    """Return what is written: as stored, or scaled; Rejection where a scaled one is not finite."""
    header = volume.header
    if header.slope != 1.0 or header.inter != 0.0:
        return to_hu(volume)
    return volume.voxels.astype(header.dtype.newbyteorder("="), copy=False)


def _lies_on(grid: Header, label: Volume) -> bool:
    """Whether a label's own affine puts it on its CT's voxels; Rejection where its shape differs.

    One that has none to speak of is given the CT's by the intake, which then says so.
    """
    voxels = np.broadcast_to(np.uint8(0), grid.shape)
    ct, _ = three_dimensional(replace(label, voxels=voxels, header=grid), "ct")
    _, findings = same_grid(ct, three_dimensional(label, "label")[0])
    return all(finding.code != "label_affine" for finding in findings)


def _hand_on(source: Path, image: Path) -> None:
    content = source.read_bytes()
    with whole(image) as temporary:
        if content[:2] == GZIP_MAGIC or not content:
            temporary.write_bytes(content)
            return
        with temporary.open("wb") as raw, gzip_writer(raw) as stream:
            stream.write(content)
