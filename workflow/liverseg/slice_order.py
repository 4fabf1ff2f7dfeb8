"""Whether the slices of a volume are in order: neighbours must be each other's likeness."""

from itertools import combinations

import numpy as np

from workflow.liverseg.findings import Finding, reject, warn
from workflow.liverseg.nifti_stream import Volume

LEAST_SLICES = 8
THUMB = 24  # slices are compared as pictures of about this many rows and columns


def thumbs_along(volume: Volume, axis: int) -> np.ndarray:
    """Return small mean-free pictures of the slices across a storage axis, `(slices, pixels)`.

    HU between -200 and 300, so that neither metal nor the air outside decides.
    """
    header = volume.header
    steps = [slice(None, None, max(1, n // THUMB)) for n in volume.voxels.shape]
    steps[axis] = slice(None)
    small = np.moveaxis(volume.voxels[tuple(steps)], axis, 0).astype(np.float32)
    hu = np.clip(small * header.slope + header.inter, -200, 300).reshape(len(small), -1)
    return hu - hu.mean(axis=1)[:, None]


def likeness(thumbs: np.ndarray) -> np.ndarray:
    """Correlate every two slices of `thumbs` `(slices, pixels)`, mean-free; blank ones give 0."""
    norms = np.linalg.norm(thumbs, axis=1)
    unit = thumbs / np.where(norms > 0, norms, 1)[:, None]
    return unit @ unit.T


def misplaced(thumbs: np.ndarray) -> list[int]:
    """Return the slices whose likeness is elsewhere, as both neighbours fit far worse.

    Only inner slices are judged; blank ones have no likeness at all.
    """
    table = likeness(thumbs)
    count = len(table)
    places = np.arange(count)
    near = np.abs(places[:, None] - places[None]) <= 2
    distant = np.where(near, -1.0, table).max(axis=1)
    beside = np.zeros(count)
    beside[1:] = np.maximum(beside[1:], np.diagonal(table, 1))
    beside[:-1] = np.maximum(beside[:-1], np.diagonal(table, 1))
    # ASSUME neighbours that explain less than half of what a distant slice leaves unexplained.
    wrong = (1 - beside) > 2 * (1 - distant) + 0.02
    return [int(place) for place in np.flatnonzero(wrong)]


def jumps(thumbs: np.ndarray) -> list[int]:
    """Return the slices after which the next is far less alike than elsewhere nearby."""
    unlike = 1 - np.diagonal(likeness(thumbs), 1)
    found = []
    for place, value in enumerate(unlike):
        around = np.delete(unlike[max(0, place - 4) : place + 5], min(place, 4))
        # ASSUME a step three times the usual is a gap; whole CTs stay below twice.
        if value > 3 * (float(np.median(around)) + 0.01):
            found.append(place)
    return found


def tissue(thumbs: np.ndarray) -> np.ndarray:
    """Return the share of each slice of `thumbs` `(slices, pixels)` that is far above its least."""
    # ASSUME air, or where there is none fat, is the least of a slice; 150 HU above it is tissue.
    return (thumbs - thumbs.min(axis=1)[:, None] > 150).mean(axis=1)


def rejoined(thumbs: np.ndarray, cuts: list[int]) -> tuple[int, int] | None:
    """Return two slices that were neighbours before blocks of slices changed places, or None.

    The volume is cut after each of `cuts`, where the anatomy jumps. Where slices are missing the
    blocks' ends fit nothing; where blocks were moved or turned over, two ends of different blocks
    fit each other as neighbours do. That one block fits on as a later one begins says nothing of
    order: what lies between may be foreign. Nor do slices with hardly any tissue, as of the bare
    table, or two blocks that are alike from end to end, as artefacts are.
    """
    table = 1 - likeness(thumbs)
    # ASSUME once and a half the usual is still a neighbour; the ends of whole CTs are four times.
    limit = 1.5 * (float(np.median(np.diagonal(table, 1))) + 0.01)
    share = tissue(thumbs)
    bare = share < float(np.median(share)) / 4
    starts = [0, *(place + 1 for place in cuts)]
    blocks = list(zip(starts, [*cuts, len(thumbs) - 1], strict=True))
    for (first, last), (other_first, other_last) in combinations(blocks, 2):
        for (one, far), (other, other_far) in (
            ((first, last), (other_last, other_first)),
            ((first, last), (other_first, other_last)),
            ((last, first), (other_last, other_first)),
        ):
            # Joining the outer ends swaps two halves, and repairs one jump: no more may be left.
            outer = other - one == len(thumbs) - 1 and len(cuts) > 1
            alike = table[far, other_far] <= limit
            if table[one, other] <= limit and not (outer or alike or bare[one] or bare[other]):
                return one, other
    return None


def judge(thumbs: np.ndarray) -> list[Finding]:
    """Reject a volume whose slices are not in order; warn where some seem to be missing.

    Only slices across the body tell: from side to side one half of the body mirrors the other.
    """
    if len(thumbs) < LEAST_SLICES:
        return []
    wrong = misplaced(thumbs)
    if wrong:
        found = f"{len(wrong)} of {len(thumbs)} slices unlike their neighbours ({_listed(wrong)})"
        return [_scrambled(found)]
    cuts = jumps(thumbs)
    if not cuts:
        return []
    pair = rejoined(thumbs, cuts)
    if pair is None:
        return [_gap(cuts)]
    found = (
        f"blocks of slices in another order: a jump of the anatomy after slice {_listed(cuts)}, "
        f"while slices {pair[0]} and {pair[1]} (counted from 0) are like neighbours"
    )
    return [_scrambled(found)]


def _scrambled(found: str) -> Finding:
    return reject(
        "slices_scrambled",
        "ct",
        found=found,
        expected="slices in the order of the body",
        remedy="export the series again, sorted by position",
    )


def _listed(places: list[int]) -> str:
    return ", ".join(map(str, places[:8])) + (" …" if len(places) > 8 else "")


def _gap(places: list[int]) -> Finding:
    return warn(
        "slices_jump",
        "ct",
        found=f"a jump of the anatomy after slice {_listed(places)} (counted from 0)",
        expected="steps as small as elsewhere in the volume",
        remedy="look there: slices may be missing, or two scans joined",
    )
