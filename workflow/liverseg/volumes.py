"""From a CT on the scanner's grid to a volume that a network can read, and back."""

from typing import Any

import numpy as np

from workflow.liverseg.errors import fault
from workflow.liverseg.grids import Route, Sampling, plan_route, resample
from workflow.liverseg.images import Image
from workflow.liverseg.volume_files import Volume

SLAB = 32  # slices that are resampled at once: bounds memory, changes no value


def prepare(image: Image, label: np.ndarray | None, settings: dict[str, Any]) -> Volume:
    """Bring a CT to canonical axes, the wanted spacing, window and in-plane size.

    Parameters
    ----------
    image
        CT in HU `(i, j, k)`.
    label
        Class indices on the same grid, uint8; resampled as one soft mask a class, so that the
        border runs where the label's does and not along its voxels.
    settings
        The config's `volumes`.
    """
    if label is not None and label.shape != image.data.shape:
        raise fault(
            expected=f"a label of the CT's shape {image.data.shape}",
            found=f"a label of shape {label.shape}",
            remedy="give the label that was drawn on this CT",
        )
    route = plan_route(image.data.shape, image.affine, settings)
    hu = route.to_canonical(image.data)
    prepared = np.empty(route.shape[::-1], dtype=np.float16).transpose()
    for first in range(0, route.shape[2], SLAB):
        last = min(first + SLAB, route.shape[2])
        prepared[:, :, first:last] = prepare_slices(
            hu, route, settings["window_hu"], first=first, last=last
        )
    classes = None
    if label is not None:
        classes = resample_classes(route.to_canonical(label), route.samplings)
    return Volume(image=prepared, label=classes, affine=route.affine)


def prepare_slices(
    hu: np.ndarray,
    route: Route,
    window_hu: tuple[float, float],
    *,
    first: int,
    last: int,
    offset: int = 0,
) -> np.ndarray:
    """The prepared slices `first … last` (half-open), float32 `(x, y, last - first)` in 0…1.

    `hu` is the CT on canonical axes (or its slices from `offset` on). Beyond the scan lies what
    lies at the lower end of the window: air.
    """
    low, high = (np.float32(limit) for limit in window_hu)
    slices = resample(
        hu, route.samplings, first=first, last=last, offset=offset, outside=float(low)
    )
    slices -= low
    slices /= high - low
    return np.clip(slices, 0, 1, out=slices)


def resample_classes(
    classes: np.ndarray, samplings: tuple[Sampling, Sampling, Sampling]
) -> np.ndarray:
    """Resample class indices `(x, y, z)`: the largest soft mask wins, in a tie the lower class."""
    if all(sampling.is_identity for sampling in samplings):
        return np.array(classes, dtype=np.uint8, order="F")
    n_out = samplings[2].n_out
    shape = tuple(sampling.n_out for sampling in samplings)
    out = np.zeros(shape[::-1], dtype=np.uint8).transpose()
    present = [value for value in np.unique(classes) if value != 0]
    for first in range(0, n_out, SLAB):
        last = min(first + SLAB, n_out)
        # Where no class is, is background, also beyond the scan.
        best = 1 - resample((classes > 0).view(np.uint8), samplings, first=first, last=last)
        for value in present:
            mask = resample((classes == value).view(np.uint8), samplings, first=first, last=last)
            higher = mask > best + np.float32(1e-6)
            out[:, :, first:last][higher] = value
            np.copyto(best, mask, where=higher)
    return out


def restore_slices(
    probability: np.ndarray,
    route: Route,
    *,
    first: int,
    last: int,
    offset: int = 0,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Probabilities of the prepared grid on canonical slices `first … last` of the scanner's grid.

    `probability` is `(c, x, y, z)`, or its slices from `offset` on; returned as float32
    `(c, x, y, last - first)`, of the canonical columns and rows in `part`. What was cropped away
    has probability 0.
    """
    x, y, z = (sampling.inverse() for sampling in route.samplings)
    place: dict[str, Any] = {"first": first, "last": last, "offset": offset, "part": part}
    return np.stack([resample(channel, (x, y, z), **place) for channel in probability])


def restore(probability: np.ndarray, route: Route) -> np.ndarray:
    """Probabilities `(c, x, y, z)` of the prepared grid on the scanner's grid: `(c, i, j, k)`."""
    n_slices = route.samplings[2].n_in
    canonical = restore_slices(probability, route, first=0, last=n_slices)
    return np.stack([route.to_source(channel) for channel in canonical])
