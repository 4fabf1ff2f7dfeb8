"""How large a voxel is: one definition for inspection, prediction, scores and meshes."""

import numpy as np


def voxel_ml(affine: np.ndarray) -> float:
    """Volume in ml of a voxel of the grid with this index-to-mm matrix (4, 4).

    The determinant: on a sheared grid (gantry tilt) the product of the spacings is too large.
    """
    return abs(float(np.linalg.det(affine[:3, :3]))) / 1000
