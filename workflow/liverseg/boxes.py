"""Where the True voxels of a mask are."""

import numpy as np


def bounding_box(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """Slices around the True voxels of a mask, `margin` voxels wider where the array allows.

    ValueError if there are none.
    """
    box = []
    for axis, size in enumerate(mask.shape):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        if not len(inside):
            raise ValueError("an empty mask has no bounding box")
        box.append(slice(max(0, inside[0] - margin), min(size, inside[-1] + 1 + margin)))
    return tuple(box)
