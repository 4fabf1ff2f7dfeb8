"""Put labels that were drawn on a grid of their own onto the voxels of the CT, exactly.

Nothing is resampled: a label whose voxels do not fall onto those of the CT is refused.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workflow.liverseg.findings import Rejection, reject

# ASSUME what rounding makes of positions and spacings stays far below a quarter of a voxel.
TOLERANCE_VOXELS = 0.25


def place(
    target: NDArray[np.integer],
    values: NDArray[np.integer],
    affine: NDArray[np.float64],
    target_affine: NDArray[np.float64],
) -> None:
    """Write the values above 0 of a 3D label into `target`, the grid of the CT, in place.

    Both affines take an index to RAS mm. The label may cover a part of the CT and may have its
    axes in another order or direction. Raises Rejection where voxels would have to be
    interpolated, or where a part of the label lies outside the CT.
    """
    change = np.linalg.inv(target_affine) @ affine
    steps, origin = change[:3, :3], change[:3, 3]
    whole_steps, whole_origin = np.rint(steps), np.rint(origin)
    reach = np.array(values.shape, np.float64) - 1
    error = np.abs(steps - whole_steps) @ reach + np.abs(origin - whole_origin)
    permutes = np.array_equal(np.abs(whole_steps).sum(0), np.ones(3))
    permutes &= np.array_equal(np.abs(whole_steps).sum(1), np.ones(3))
    if not permutes or error.max() > TOLERANCE_VOXELS:
        raise label_rejection(
            "label_grid",
            f"a label grid that is off the CT's by up to {error.max():.2f} voxels",
            "a label drawn on the voxels of this CT",
            "export the label on the CT's own grid",
        )
    index = np.argwhere(values > 0)
    if not len(index):
        return
    found = index @ whole_steps.astype(int).T + whole_origin.astype(int)
    if (found < 0).any() or (found >= target.shape).any():
        outside = int(((found < 0) | (found >= target.shape)).any(1).sum())
        raise label_rejection(
            "label_outside",
            f"{outside} voxels of the label outside the CT",
            "a label within the CT",
            "check that label and CT belong together",
        )
    target[tuple(found.T)] = values[tuple(index.T)]


def fill_polygons(
    size: tuple[int, int], polygons: Sequence[NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Fill closed polygons, (n, 2) in voxel units, by the even-odd rule.

    A voxel belongs to the inside when its centre does; a polygon within another one is a hole.
    """
    inside = np.zeros(size, bool)
    centres = np.arange(size[0])
    for polygon in polygons:
        x, y = polygon[:, 0], polygon[:, 1]
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        low = max(0, int(np.ceil(y.min())))
        high = min(size[1] - 1, int(np.floor(y.max())))
        for j in range(low, high + 1):
            crossed = (y <= j) != (next_y <= j)
            at = x[crossed] + (j - y[crossed]) * (next_x - x)[crossed] / (next_y - y)[crossed]
            inside[:, j] ^= (np.searchsorted(np.sort(at), centres, side="right") % 2).astype(bool)
    return inside


def label_rejection(code: str, found: str, expected: str, remedy: str) -> Rejection:
    """Build a rejection of the label."""
    return Rejection(reject(code, "label", found=found, expected=expected, remedy=remedy))
