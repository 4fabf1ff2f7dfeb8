"""What prediction reads and writes: the CT in whole HU, masks, masked CT, probabilities."""

from pathlib import Path

import numpy as np

from workflow.liverseg.findings import Rejection
from workflow.liverseg.images import write_image
from workflow.liverseg.intake import as_error, read_pair, to_hu
from workflow.liverseg.nifti_stream import Volume
from workflow.liverseg.prediction import Prediction

AIR_HU = -1024
SLAB = 32


def as_list(paths: Path | list[Path]) -> list[Path]:
    """One path or several as a list: a rule gives one input bare."""
    return paths if isinstance(paths, list) else [paths]


def read_ct(path: Path, patient: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a CT as inspection reads it; returns int16 HU `(i, j, k)` and its affine (4, 4).

    ASSUME a CT has whole HU: a scanner's noise is ten of them. LiversegError where inspection
    would reject the file.
    """
    try:
        volume = read_pair(path, None).image
        return hu_int16(volume), volume.header.affine
    except Rejection as rejection:
        raise as_error(patient, rejection.finding) from rejection


def hu_int16(volume: Volume) -> np.ndarray:
    """HU as int16, slope and intercept applied; the voxels themselves where they are that already.

    Slab by slab, so that a large CT is in memory once and not in floats.
    """
    header, voxels = volume.header, volume.voxels
    if header.dtype == np.dtype(np.int16) and header.slope == 1 and header.inter == 0:
        return voxels.view(np.int16) if voxels.dtype.isnative else voxels.astype(np.int16)
    hu = np.empty(voxels.shape, dtype=np.int16, order="F")
    for first in range(0, voxels.shape[2], SLAB):
        place = np.s_[:, :, first : first + SLAB]
        part = Volume(voxels[place], header, volume.sha256, ())
        hu[place] = np.rint(np.clip(to_hu(part), -32768, 32767))
    return hu


def write_prediction(
    prediction: Prediction,
    hu: np.ndarray,
    affine: np.ndarray,
    *,
    mask: Path,
    masked_ct: Path,
    probability: Path,
) -> None:
    """Write mask, masked CT and probability on the CT's own grid, each whole.

    `hu` (int16) is overwritten: air takes the place of what lies outside the mask.
    """
    write_image(mask, prediction.mask, affine)
    channels = prediction.probability
    channels = channels[..., 0] if channels.shape[-1] == 1 else channels
    write_image(probability, channels, affine, slope=1 / 255)
    for first in range(0, hu.shape[2], SLAB):
        place = np.s_[:, :, first : first + SLAB]
        hu[place][prediction.mask[place] == 0] = AIR_HU
    write_image(masked_ct, hu, affine)
