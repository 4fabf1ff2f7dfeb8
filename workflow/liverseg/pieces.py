"""Connected pieces of a mask, numbered slab by slab: memory for a slab, not for the scan."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import cc3d
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SLAB = 16  # slices

Inside = Callable[[slice], np.ndarray]
"""Takes a range of slices; gives the boolean mask `(i, j, slices)` there."""
Touching = Literal[6, 26]
"""What hangs together: voxels that share a face (6), or a face, an edge or a corner (26)."""
OF_ORGANS: Touching = 26
# Strewn false voxels, one in ten, are a single piece by corners already, and hundreds by faces: as
# tumours they must count as the specks that they are.
OF_TUMOURS: Touching = 6


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of a mask: how many voxels each holds, and where they lie.

    sizes: (n + 1,) voxels of each piece, from number 1 on; 0 stands for what lies in none.
    on_border: (n + 1,) whether a piece touches one of the six sides of the array.
    numbers: for each slab, the number in all of each piece that it has by itself.
    """

    inside: Inside
    touching: Touching
    slabs: tuple[slice, ...]
    numbers: tuple[np.ndarray, ...]
    sizes: np.ndarray
    on_border: np.ndarray

    def where(self, chosen: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Where the chosen pieces (n + 1,) lie: slices and the mask `(i, j, slices)` in them.

        Slabs without any are left out. Slabs already given may change meanwhile, others not.
        """
        for slab, numbers in zip(self.slabs, self.numbers, strict=True):
            here = chosen[numbers]
            if here.any():
                yield slab, here[_labelled(self.inside(slab), self.touching)]

    def holding(self, other: Inside) -> np.ndarray:
        """Whether (n + 1,) each piece holds a voxel of another mask."""
        held = np.zeros(len(self.sizes), dtype=bool)
        for slab, numbers in zip(self.slabs, self.numbers, strict=True):
            there = other(slab)
            if there.any():
                held[numbers[_labelled(self.inside(slab), self.touching)[there]]] = True
        held[0] = False
        return held


def find_pieces(
    inside: Inside, n_slices: int, *, touching: Touching = OF_ORGANS, slab: int = SLAB
) -> Pieces:
    """Find the connected pieces of a mask of `n_slices`; the size of a slab changes no piece."""
    slabs = tuple(slice(k, min(k + slab, n_slices)) for k in range(0, n_slices, slab))
    sizes, borders, joins = [np.zeros(1, dtype=np.int64)], [np.zeros(1, dtype=bool)], []
    firsts = [1]  # number of each slab's first piece, before pieces of several slabs are one
    below: np.ndarray | None = None
    for place in slabs:
        labels = _labelled(inside(place), touching)
        counts = np.bincount(labels.ravel(order="K"))
        sizes.append(counts[1:])
        ends = (place.start == 0, place.stop == n_slices)
        borders.append(_on_sides(labels, len(counts), ends)[1:])
        if below is not None:
            ours = labels[:, :, 0].astype(np.int64)
            joins.append(_joins(below, np.where(ours > 0, ours + firsts[-1] - 1, 0), touching))
        top = labels[:, :, -1].astype(np.int64)
        below = np.where(top > 0, top + firsts[-1] - 1, 0)
        firsts.append(firsts[-1] + len(counts) - 1)
    whole = _united(joins, firsts[-1])
    numbers = tuple(np.concatenate([[0], whole[first:last]]) for first, last in pairwise(firsts))
    return Pieces(
        inside,
        touching,
        slabs,
        numbers,
        np.bincount(whole, np.concatenate(sizes)).astype(np.int64),
        np.bincount(whole, np.concatenate(borders)) > 0,
    )


def _labelled(mask: np.ndarray, touching: Touching) -> np.ndarray:
    return np.asarray(cc3d.connected_components(mask, connectivity=touching))


def _on_sides(labels: np.ndarray, count: int, ends: tuple[bool, bool]) -> np.ndarray:
    """Whether each label touches a side of the array; of its slices, the `ends` that are ends."""
    touches = np.zeros(count, dtype=bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touches[side] = True
    for is_end, side in zip(ends, (labels[:, :, 0], labels[:, :, -1]), strict=True):
        if is_end:
            touches[side] = True
    return touches


def _joins(below: np.ndarray, above: np.ndarray, touching: Touching) -> np.ndarray:
    """Pairs (n, 2), some repeated, of pieces that touch across two planes of their numbers."""
    steps = (0,) if touching == 6 else (-1, 0, 1)
    pairs = []
    for step in product(steps, steps):
        here = tuple(slice(max(0, -s), below.shape[a] - max(0, s)) for a, s in enumerate(step))
        there = tuple(slice(max(0, s), below.shape[a] + min(0, s)) for a, s in enumerate(step))
        both = (below[here] > 0) & (above[there] > 0)
        pair = np.stack([below[here][both], above[there][both]], axis=1)
        # Neighbouring pixels mostly say the same.
        new = np.ones(len(pair), dtype=bool)
        new[1:] = (pair[1:] != pair[:-1]).any(axis=1)
        pairs.append(pair[new])
    return np.concatenate(pairs)


def _united(joins: list[np.ndarray], count: int) -> np.ndarray:
    """Final number (count,) of each of the slabs' pieces; 0, which is none, stays alone."""
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *joins])
    graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1])
