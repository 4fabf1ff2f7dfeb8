"""Whether the slices of a volume are in order: neighbours must be each other's likeness."""

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


def judge(thumbs: np.ndarray) -> list[Finding]:
    """Reject a volume whose slices are not in order; warn where some seem to be missing.

    Only slices across the body tell: from side to side one half of the body mirrors the other.
    """
    if len(thumbs) < LEAST_SLICES:
        return []
    wrong = misplaced(thumbs)
    if not wrong:
        return [_gap(places) for places in [jumps(thumbs)] if places]
    listed = _listed(wrong)
    return [
        reject(
            "slices_scrambled",
            "ct",
            found=f"{len(wrong)} of {len(thumbs)} slices unlike their neighbours ({listed})",
            expected="slices in the order of the body",
            remedy="export the series again, sorted by position",
        )
    ]


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
