"""What surfaces are made of: mask, probability and CT, each read and cut to the mask's box."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.findings import Rejection
from workflow.liverseg.intake import as_error, read_pair, to_hu
from workflow.liverseg.nifti_stream import Volume, read_volume


@dataclass(frozen=True)
class MeshInputs:
    """The part of a scan `(i, j, k)` that a mask lies in, one voxel wider where there is one.

    classes: uint8. probability: as stored, uint8 (i, j, k) or (i, j, k, class); times `slope` it
    is 0…1. hu: float32. affine: of this part, to RAS mm.
    """

    classes: np.ndarray
    probability: np.ndarray
    slope: float
    hu: np.ndarray
    affine: np.ndarray


def read_mesh_inputs(mask: Path, probability: Path, image: Path, patient: str) -> MeshInputs:
    """Read one file after the other, as stored, and keep of each what lies in the mask's box.

    A liver fills a tenth of its scan: the rest is never turned into floats. LiversegError where
    inspection would reject a file.
    """
    try:
        whole = read_volume(mask, "label")
        empty = not whole.voxels.any()
        box = np.s_[:1, :1, :1] if empty else bounding_box(whole.voxels, margin=1)
        affine = whole.header.affine.copy()
        affine[:3, 3] += affine[:3, :3] @ [part.start or 0 for part in box]
        classes = whole.voxels[box].copy(order="F")
        del whole
        chances = read_volume(probability, "probability")
        soft, slope = chances.voxels[box].copy(order="F"), chances.header.slope
        del chances
        ct = read_pair(image, None).image
        hu = to_hu(Volume(ct.voxels[box], ct.header, ct.sha256, ()))
    except Rejection as rejection:
        raise as_error(patient, rejection.finding) from rejection
    return MeshInputs(classes, soft, slope, hu, affine)
