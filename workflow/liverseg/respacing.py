"""Write an image again with the spacing that its header lost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workflow.liverseg.files import whole
from workflow.liverseg.findings import Rejection
from workflow.liverseg.images import gzip_writer, write_image
from workflow.liverseg.intake import to_hu
from workflow.liverseg.nifti_stream import GZIP_MAGIC, read_volume


def correct_spacing(source: Path, image: Path, part: str, spacing_mm: Sequence[float]) -> None:
    """Write `source` again with its axes as long as the table says; the voxels stay the same.

    A file that cannot be read is handed on as it is: the inspection says what is wrong with it.
    """
    try:
        volume = read_volume(source, part)
    except Rejection:
        _hand_on(source, image)
        return
    header = volume.header
    affine = header.affine.copy()
    affine[:3, :3] *= np.asarray(spacing_mm) / np.linalg.norm(affine[:3, :3], axis=0)
    scaled = header.slope != 1.0 or header.inter != 0.0
    native = volume.voxels.astype(header.dtype.newbyteorder("="), copy=False)
    write_image(image, to_hu(volume) if scaled else native, affine)


def _hand_on(source: Path, image: Path) -> None:
    content = source.read_bytes()
    with whole(image) as temporary:
        if content[:2] == GZIP_MAGIC or not content:
            temporary.write_bytes(content)
            return
        with temporary.open("wb") as raw, gzip_writer(raw) as stream:
            stream.write(content)
