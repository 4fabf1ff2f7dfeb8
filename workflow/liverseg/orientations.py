"""Where the axes of a stored image run to, and how one image is turned onto another's axes."""

import numpy as np


def orientation(affine: np.ndarray) -> str:
    """Return axis codes such as `LPS`: where i, j and k run to, by their largest component."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    codes = ["", "", ""]
    free = np.abs(steps)
    for _ in range(3):
        world, index = np.unravel_index(int(free.argmax()), free.shape)
        codes[int(index)] = "LPI RAS"[int(world) + 4 * int(steps[world, index] > 0)]
        free[world, :] = -1
        free[:, index] = -1
    return "".join(codes)


def slice_axis(affine: np.ndarray) -> int:
    """Return the storage axis that runs most nearly along the body."""
    return int(np.abs(affine[2, :3] / np.linalg.norm(affine[:3, :3], axis=0)).argmax())


def turned_onto(
    voxels: np.ndarray, affine: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Turn voxels `(i, j, k)` onto the axes of the affine `target`; nothing is interpolated.

    Returns the voxels (Fortran order) and the affine that they then have, or None where the two
    grids are not a permutation and flips of one another, or where nothing has to be turned.
    The axes are matched with one another and not with the body's, so that two images of one
    scan agree at any obliquity.
    """
    steps = np.rint((np.linalg.inv(target) @ affine)[:3, :3])
    permutes = np.array_equal(np.sort(np.abs(steps), axis=None), [0] * 6 + [1] * 3) and bool(
        abs(np.linalg.det(steps)) > 0.5
    )
    if not permutes or np.array_equal(steps, np.eye(3)):
        return None
    axes = np.abs(steps).argmax(axis=1)
    flips = steps.sum(axis=1) < 0
    turn = np.eye(4)
    turn[:3, :3] = steps
    turn[:3, 3] = np.where(flips, np.asarray(voxels.shape)[axes] - 1, 0)
    turned = np.transpose(voxels, axes)[tuple(slice(None, None, -1 if f else None) for f in flips)]
    return np.asfortranarray(turned), affine @ np.linalg.inv(turn)
