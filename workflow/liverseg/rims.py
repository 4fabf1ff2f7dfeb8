"""What lies just outside a mask: more of the same is a sign that the mask is too small."""

import numpy as np

from workflow.liverseg.boxes import bounding_box

# ASSUME a liver borders on fat, lung, bowel, kidney, stomach and muscle, of which little is as
# dense as itself; a mask that lost its outer millimetres borders on liver nearly everywhere.
CELL_MM = 3.0  # over which noise is averaged away
RIM_MM = 6.0  # how far out is looked at
RIM_ALIKE_HU = 20.0


def rim_part(hu: np.ndarray, mask: np.ndarray, spacing_mm: np.ndarray) -> float | None:
    """Part of the rim around a mask (i, j, k) whose density is that of the mask's median.

    Counted in cells of about CELL_MM: those without a voxel of the mask whose centre is RIM_MM or
    less from one that is half in it. None where the mask leaves no rim within the scan.
    """
    import edt

    sides = [max(1, round(CELL_MM / step)) for step in spacing_mm]
    margin = int(np.ceil(RIM_MM / spacing_mm.min())) + max(sides)
    box = bounding_box(mask, margin=margin)
    density, part = _cells(hu[box], mask[box], sides)
    own = part > min(0.99, float(part.max()) / 2)
    cell_mm = np.take(spacing_mm * sides, (2, 0, 1))
    away = edt.edt(part < 0.5, anisotropy=tuple(cell_mm), black_border=False)
    rim = (part == 0) & (away <= RIM_MM)
    if not rim.any():
        return None
    alike = np.abs(density[rim] - np.median(density[own])) <= RIM_ALIKE_HU
    return float(alike.mean())


def _cells(hu: np.ndarray, mask: np.ndarray, sides: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean HU of each cell and the part of it in the mask: (k, i, j) both, float32."""
    starts = [np.arange(0, n, side) for n, side in zip(mask.shape, sides, strict=True)]
    i, j, k = (np.diff([*first, n]) for first, n in zip(starts, mask.shape, strict=True))
    sums: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for first in starts[2]:  # cell by cell, to take no memory
        slab = np.s_[:, :, first : first + sides[2]]
        for values, found in zip((hu[slab], mask[slab] > 0), sums, strict=True):
            rows = np.add.reduceat(values.sum(axis=2, dtype=np.int64), starts[0], axis=0)
            found.append(np.add.reduceat(rows, starts[1], axis=1))
    voxels = k[:, None, None] * i[:, None] * j
    density, part = (np.array(found) / voxels for found in sums)
    return density.astype(np.float32), part.astype(np.float32)
