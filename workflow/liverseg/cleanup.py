"""Clean-up of a predicted mask: what does not hang together, and holes; all of it recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cc3d
import numpy as np


@dataclass(frozen=True)
class CleanUp:
    """What was found and changed, in ml of the scanner's voxels.

    components: pieces of foreground before the clean-up (touching by face, edge or corner).
    largest_part: part of a region that its largest piece held; the least of several regions.
    """

    components: int
    largest_part: float
    removed_components: int
    removed_ml: float
    filled_holes: int
    filled_ml: float


def clean_up(
    mask: np.ndarray,
    probability: np.ndarray,
    voxel_ml: float,
    settings: dict[str, Any],
    regions: Sequence[Sequence[int]] = ((1,),),
) -> CleanUp:
    """Clean `mask` (i, j, k) uint8 classes and `probability` (i, j, k, c) uint8, in place.

    Parameters
    ----------
    voxel_ml
        Volume of a voxel.
    settings
        `largest_component`: keep the largest piece of each region only. `smallest_ml`: drop
        smaller pieces. `fill_holes`: give background enclosed in a region to its first class.
    regions
        The classes of each region that lies within no other: an organ is not a piece of another.

    Where the mask changes the probability is moved across one half, so that a surface taken
    there agrees with the mask.
    """
    box = _bounding_box(mask)
    if box is None:
        return CleanUp(0, 1.0, 0, 0.0, 0, 0.0)
    parts = [
        _clean_region(mask[box], probability[box], classes, voxel_ml, settings)
        for classes in regions
    ]
    return CleanUp(
        components=sum(part.components for part in parts),
        largest_part=min(part.largest_part for part in parts),
        removed_components=sum(part.removed_components for part in parts),
        removed_ml=sum(part.removed_ml for part in parts),
        filled_holes=sum(part.filled_holes for part in parts),
        filled_ml=sum(part.filled_ml for part in parts),
    )


def _clean_region(
    mask: np.ndarray,
    probability: np.ndarray,
    classes: Sequence[int],
    voxel_ml: float,
    settings: dict[str, Any],
) -> CleanUp:
    """Clean one region, in place; its classes and their channels alone are changed."""
    inside = np.isin(mask, classes)
    if not inside.any():
        return CleanUp(0, 1.0, 0, 0.0, 0, 0.0)
    pieces, sizes = _pieces(inside)
    dropped = np.zeros(len(sizes), dtype=bool)
    dropped[1:] = sizes[1:] * voxel_ml < settings["smallest_ml"]
    if settings["largest_component"]:
        dropped[1:] |= np.arange(1, len(sizes)) != sizes[1:].argmax() + 1
    if dropped.any():
        gone = dropped[pieces]
        mask[gone] = 0
        for index in classes:
            channel = probability[..., index - 1]
            channel[gone] = np.minimum(channel[gone], 127)
        inside &= ~gone
        del gone
    del pieces
    filled, filled_voxels = 0, 0
    if settings["fill_holes"]:
        filled, filled_voxels = _fill_holes(mask, probability, inside, classes[0])
    return CleanUp(
        components=len(sizes) - 1,
        largest_part=float(sizes[1:].max() / sizes[1:].sum()),
        removed_components=int(dropped.sum()),
        removed_ml=float(sizes[dropped].sum() * voxel_ml),
        filled_holes=filled,
        filled_ml=float(filled_voxels * voxel_ml),
    )


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box around the foreground and one voxel more where there is one."""
    slices = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero(mask.any(axis=others))
        if not there.size:
            return None
        slices.append(slice(max(0, int(there[0]) - 1), int(there[-1]) + 2))
    return slices[0], slices[1], slices[2]


def _pieces(
    foreground: np.ndarray, connectivity: Literal[6, 26] = 26
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the connected pieces (0: none), and the voxels of each number."""
    pieces = cc3d.connected_components(foreground, connectivity=connectivity)
    sizes = cc3d.statistics(pieces, no_slice_conversion=True)["voxel_counts"].astype(np.int64)
    return pieces, sizes


def _fill_holes(
    mask: np.ndarray, probability: np.ndarray, inside: np.ndarray, index: int
) -> tuple[int, int]:
    """Give background that `inside` encloses to class `index`; number of holes and voxels."""
    pieces, sizes = _pieces(~inside, connectivity=6)
    outside = np.zeros(len(sizes), dtype=bool)
    for axis in range(3):
        for side in (0, -1):
            outside[np.moveaxis(pieces, axis, 0)[side]] = True
    outside[np.unique(pieces[~inside & (mask > 0)])] = True  # another organ lies in it
    holes = ~outside
    holes[0] = False
    if holes.any():
        filled = holes[pieces]
        mask[filled] = index
        channel = probability[..., index - 1]
        channel[filled] = np.maximum(channel[filled], 128)
    return int(holes.sum()), int(sizes[holes].sum())
