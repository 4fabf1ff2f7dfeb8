"""Clean-up of a predicted mask: what does not hang together, and holes; all of it recorded."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.pieces import OF_TUMOURS, Inside, find_pieces


@dataclass(frozen=True)
class CleanUp:
    """What was found and changed, in ml of the scanner's voxels.

    components: pieces of foreground before the clean-up (touching by face, edge or corner).
    largest_part: part of a region that its largest piece held; the least of several regions.
    merged_components: pieces of inner regions (touching by face) that became what was around them.
    """

    components: int
    largest_part: float
    removed_components: int
    removed_ml: float
    filled_holes: int
    filled_ml: float
    merged_components: int = 0
    merged_ml: float = 0.0


def clean_up(
    mask: np.ndarray,
    probability: np.ndarray,
    voxel_ml: float,
    settings: dict[str, Any],
    regions: Sequence[Sequence[int]] = ((1,),),
    nested: Sequence[tuple[Sequence[int], int]] = (),
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
    nested
        The classes of each region within another, the outer first, and the class around it, which
        its pieces below `smallest_ml` become: the organ has no hole there.

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
    merged = [
        _merge_specks(mask[box], probability[box], classes, around, voxel_ml, settings)
        for classes, around in (nested if settings["smallest_ml"] else ())
    ]
    return CleanUp(
        components=sum(part.components for part in parts),
        largest_part=min(part.largest_part for part in parts),
        removed_components=sum(part.removed_components for part in parts),
        removed_ml=sum(part.removed_ml for part in parts),
        filled_holes=sum(part.filled_holes for part in parts),
        filled_ml=sum(part.filled_ml for part in parts),
        merged_components=sum(number for number, _ in merged),
        merged_ml=sum(ml for _, ml in merged),
    )


def _clean_region(
    mask: np.ndarray,
    probability: np.ndarray,
    classes: Sequence[int],
    voxel_ml: float,
    settings: dict[str, Any],
) -> CleanUp:
    """Clean one region, in place; its classes and their channels alone are changed."""
    inside = _within(mask, classes)
    pieces = find_pieces(inside, mask.shape[2])
    sizes = pieces.sizes
    if len(sizes) == 1:
        return CleanUp(0, 1.0, 0, 0.0, 0, 0.0)
    dropped = np.zeros(len(sizes), dtype=bool)
    dropped[1:] = sizes[1:] * voxel_ml < settings["smallest_ml"]
    if settings["largest_component"]:
        dropped[1:] |= np.arange(1, len(sizes)) != sizes[1:].argmax() + 1
    for slab, gone in pieces.where(dropped):
        mask[:, :, slab][gone] = 0
        _lower(probability[:, :, slab], gone, classes)
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


def _merge_specks(
    mask: np.ndarray,
    probability: np.ndarray,
    classes: Sequence[int],
    around: int,
    voxel_ml: float,
    settings: dict[str, Any],
) -> tuple[int, float]:
    """Give an inner region's small pieces to the class around it, in place; number and ml."""
    pieces = find_pieces(_within(mask, classes), mask.shape[2], touching=OF_TUMOURS)
    small = pieces.sizes * voxel_ml < settings["smallest_ml"]
    small[0] = False
    for slab, gone in pieces.where(small):
        mask[:, :, slab][gone] = around
        moved = _lower(probability[:, :, slab], gone, classes)
        # The sum, which is the organ's probability, stays as it was.
        taken = probability[:, :, slab, around - 1]
        taken[gone] = np.minimum(taken[gone] + moved, 255)
    return int(small.sum()), float(pieces.sizes[small].sum() * voxel_ml)


def _lower(probability: np.ndarray, gone: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Lower the summed probability of the classes below half where `gone`, in place.

    Returns what was taken from each of these voxels, of 255. The surface is drawn at half of the
    sum, so that of each class alone says nothing.
    """
    channels = [probability[..., index - 1] for index in classes]
    before = np.sum([channel[gone] for channel in channels], axis=0, dtype=np.int32)
    kept = np.minimum(before, 127)
    for channel in channels:
        channel[gone] = channel[gone].astype(np.int32) * kept // np.maximum(before, 1)
    after = np.sum([channel[gone] for channel in channels], axis=0, dtype=np.int32)
    return np.asarray(before - after)


def _within(mask: np.ndarray, classes: Sequence[int]) -> Inside:
    def inside(slab: slice) -> np.ndarray:
        part = mask[:, :, slab]
        return functools.reduce(np.logical_or, (part == one for one in classes))

    return inside


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest box around the foreground and one voxel more where there is one."""
    if not mask.any():
        return None
    i, j, k = bounding_box(mask, margin=1)
    return i, j, k


def _fill_holes(
    mask: np.ndarray, probability: np.ndarray, inside: Inside, index: int
) -> tuple[int, int]:
    """Give background that `inside` encloses to class `index`; number of holes and voxels."""
    around = find_pieces(lambda slab: ~inside(slab), mask.shape[2], touching=6)
    # Another organ may lie in what is enclosed.
    others = around.holding(lambda slab: (mask[:, :, slab] > 0) & ~inside(slab))
    holes = ~(around.on_border | others)
    holes[0] = False
    for slab, filled in around.where(holes):
        mask[:, :, slab][filled] = index
        channel = probability[:, :, slab, index - 1]
        channel[filled] = np.maximum(channel[filled], 128)
    return int(holes.sum()), int(around.sizes[holes].sum())
