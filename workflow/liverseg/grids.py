"""Grids of voxels, and the way between the scanner's grid and the prepared one.

The prepared grid is always aligned with the axes of the scanner's: a permutation, flips, and
along each axis an affine map of indices. So both ways are one separable resampling, millimetres
stay exact, and oblique scans keep their direction cosines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel.orientations
import numpy as np
from scipy.sparse import csr_matrix

Shape = tuple[int, int, int]

# A grid within this part of a voxel of the one that was asked for is taken as it is: smoothing
# a CT of 0.99999 mm into one of 1 mm would cost sharpness and buy nothing.
SAME_GRID_VOXELS = 0.05


@dataclass(frozen=True)
class Sampling:
    """One axis of a resampling: output index k reads the input at position `start + step * k`."""

    n_in: int
    n_out: int
    start: float
    step: float

    @property
    def is_identity(self) -> bool:
        """Whether every output is the input of the same index."""
        return self.n_in == self.n_out and self.start == 0 and self.step == 1

    def inverse(self) -> "Sampling":
        """The sampling that reads the output back on the input's indices."""
        return Sampling(self.n_out, self.n_in, -self.start / self.step, 1 / self.step)

    def then(self, following: "Sampling") -> "Sampling":
        """This sampling and `following` (which reads this one's output) as one."""
        return Sampling(
            self.n_in,
            following.n_out,
            self.start + self.step * following.start,
            self.step * following.step,
        )


@dataclass(frozen=True)
class Route:
    """How a scanner's grid `(i, j, k)` and the prepared grid `(x, y, z)` in RAS hang together."""

    source_shape: Shape
    source_affine: np.ndarray  # (4, 4), index to RAS mm
    axes: Shape  # for x, y, z: the scanner's axis that runs along it
    flips: tuple[bool, bool, bool]  # for x, y, z: whether the scanner's axis runs against it
    samplings: tuple[Sampling, Sampling, Sampling]  # canonical index -> prepared index

    @property
    def shape(self) -> Shape:
        """Shape of the prepared grid."""
        x, y, z = (sampling.n_out for sampling in self.samplings)
        return x, y, z

    @property
    def affine(self) -> np.ndarray:
        """Affine (4, 4) of the prepared grid: index to RAS mm."""
        scale = np.eye(4)
        for axis, sampling in enumerate(self.samplings):
            scale[axis, axis], scale[axis, 3] = sampling.step, sampling.start
        return np.asarray(self.canonical_affine @ scale)

    @property
    def canonical_affine(self) -> np.ndarray:
        """Affine (4, 4) of the scanner's grid once its axes run to right, anterior, superior."""
        turn = np.zeros((4, 4))
        turn[3, 3] = 1
        for axis, (source, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            turn[source, axis] = -1 if flip else 1
            turn[source, 3] = self.source_shape[source] - 1 if flip else 0
        return np.asarray(self.source_affine @ turn)

    def to_canonical(self, data: np.ndarray) -> np.ndarray:
        """View of `(i, j, k)` voxels as `(x, y, z)`; nothing is copied."""
        return np.transpose(data, self.axes)[_reversal(self.flips)]

    def to_source(self, data: np.ndarray) -> np.ndarray:
        """View of canonical `(x, y, z)` voxels as the scanner's `(i, j, k)`."""
        return np.transpose(data[_reversal(self.flips)], np.argsort(self.axes))


def _reversal(flips: tuple[bool, bool, bool]) -> tuple[slice, ...]:
    return tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)


def plan_route(
    shape: tuple[int, ...], affine: np.ndarray, settings: Mapping[str, Any], *, crop: bool = True
) -> Route:
    """Work out the prepared grid of a scan.

    Parameters
    ----------
    shape, affine
        The scanner's grid `(i, j, k)` and its index-to-RAS-mm matrix (4, 4).
    settings
        The config's `volumes`: `spacing_mm` (number, `[x, y, z]`, or null; null keeps) and
        `in_plane` (`mode` keep, crop_pad or resize; `size` `[x, y]`).
    crop
        Whether crop_pad may cut off what is larger than its size. Training needs slices of one
        size; prediction slides over slices of any, and leaves nothing out.
    """
    i, j, k = (int(n) for n in shape)
    orientation = nibabel.orientations.io_orientation(affine)
    ras = {int(axis): (source, sign < 0) for source, (axis, sign) in enumerate(orientation)}
    x, y, z = (ras[axis][0] for axis in range(3))
    flip_x, flip_y, flip_z = (bool(ras[axis][1]) for axis in range(3))
    spacing = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    wanted = settings["spacing_mm"]
    wanted = wanted if isinstance(wanted, list) else [wanted] * 3
    samplings = [
        resize_to_spacing((i, j, k)[source], float(spacing[source]), wanted[axis])
        for axis, source in enumerate((x, y, z))
    ]
    in_plane = settings["in_plane"]
    if in_plane["mode"] != "keep":
        fit = crop_pad_to if in_plane["mode"] == "crop_pad" else resize_to
        for axis, size in enumerate(in_plane["size"]):
            n = samplings[axis].n_out
            size = size if crop or in_plane["mode"] == "resize" else max(n, size)
            samplings[axis] = samplings[axis].then(fit(n, size))
    return Route(
        source_shape=(i, j, k),
        source_affine=np.asarray(affine, dtype=np.float64),
        axes=(x, y, z),
        flips=(flip_x, flip_y, flip_z),
        samplings=(samplings[0], samplings[1], samplings[2]),
    )


def covered(route: Route) -> tuple[slice, slice, slice]:
    """The scanner's voxels `(i, j, k)` whose centres the prepared grid covers."""
    box = [slice(0, 0)] * 3
    for source, flip, sampling in zip(route.axes, route.flips, route.samplings, strict=True):
        half = sampling.step / 2
        ends = (sampling.start - half, sampling.start + sampling.step * (sampling.n_out - 1) + half)
        first, last = max(0, int(np.ceil(ends[0]))), min(sampling.n_in - 1, int(np.floor(ends[1])))
        if flip:
            first, last = sampling.n_in - 1 - last, sampling.n_in - 1 - first
        box[source] = slice(first, max(first, last + 1))
    return box[0], box[1], box[2]


def resize_to_spacing(n: int, spacing_mm: float, wanted_mm: float | None) -> Sampling:
    """Sampling of `n` voxels at another spacing, about the same centre.

    As many voxels as cover the field of view: the outermost lie partly beyond its edge, none
    wholly. Centred, so that the result does not depend on the direction of the axis.
    """
    if wanted_mm is None:
        return Sampling(n, n, 0.0, 1.0)
    exact = n * spacing_mm / wanted_mm
    if round(exact) == n and abs(exact - n) < SAME_GRID_VOXELS:
        return Sampling(n, n, 0.0, 1.0)
    n_out = max(1, int(np.ceil(exact - SAME_GRID_VOXELS)))
    return _centred(n, n_out, wanted_mm / spacing_mm)


def resize_to(n: int, size: int) -> Sampling:
    """Sampling of `n` voxels with `size` voxels over the same field of view."""
    return _centred(n, size, n / size)


def crop_pad_to(n: int, size: int) -> Sampling:
    """Centred crop or pad of `n` voxels to `size`, by whole voxels."""
    return Sampling(n, size, float((n - size) // 2), 1.0)


def _centred(n_in: int, n_out: int, step: float) -> Sampling:
    return Sampling(n_in, n_out, (n_in - 1) / 2 - step * (n_out - 1) / 2, step)


@lru_cache(maxsize=64)
def weights(sampling: Sampling) -> csr_matrix:
    """Banded matrix `(n_out, n_in)` float32 of one axis; rows sum to 1, or to 0 beyond the input.

    Linear interpolation; where the output is coarser, the triangle is widened to the output's
    step, which averages over what would else alias (thin slices, noise). Near the edges the
    weights that fall outside are left out and the others scaled up.
    """
    position = sampling.start + sampling.step * np.arange(sampling.n_out)
    width = max(1.0, sampling.step)
    reach = int(np.ceil(width))
    columns = np.floor(position).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    values = np.clip(1 - np.abs(columns - position[:, None]) / width, 0, None)
    values[(columns < 0) | (columns >= sampling.n_in)] = 0
    edge = 0.5 + 1e-6
    values[(position < -edge) | (position > sampling.n_in - 1 + edge)] = 0
    total = values.sum(axis=1, keepdims=True)
    values /= np.where(total > 0, total, 1)
    row, band = np.nonzero(values > 1e-7)
    matrix = csr_matrix(
        (values[row, band].astype(np.float32), (row, columns[row, band])),
        shape=(sampling.n_out, sampling.n_in),
    )
    matrix.sort_indices()
    return matrix


def support(sampling: Sampling, first: int, last: int) -> tuple[int, int]:
    """Half-open range of input indices that the outputs `first … last` (half-open) read."""
    columns = weights(sampling)[first:last].indices
    return (int(columns.min()), int(columns.max()) + 1) if columns.size else (0, 0)


def resample(
    data: np.ndarray,
    samplings: tuple[Sampling, Sampling, Sampling],
    *,
    first: int = 0,
    last: int | None = None,
    offset: int = 0,
    outside: float = 0.0,
    part: tuple[slice, slice] = (slice(None), slice(None)),
) -> np.ndarray:
    """Resample `(x, y, z)` voxels along each axis; what lies beyond the input is `outside`.

    Parameters
    ----------
    data
        Voxels of any real type, or the slices of them from `offset` on that `support` names.
    samplings
        One for x, y and z.
    first, last
        Half-open range of output slices to make; all of them by default. Each is the same,
        to the bit, however the slices are grouped.
    part
        Output columns (x) and rows (y) to make.

    Returns
    -------
    float32 `(x, y, last - first)`, slices contiguous in memory.
    """
    along_z = samplings[2]
    last = along_z.n_out if last is None else last
    low, high = support(along_z, first, last)
    across = [_Across(sampling, rows) for sampling, rows in zip(samplings, part, strict=False)]
    if low == high:
        shape = (last - first, across[1].n_out, across[0].n_out)
        return np.transpose(np.full(shape, outside, dtype=np.float32))
    planes = np.transpose(data[:, :, low - offset : high - offset])  # (z, y, x)
    # Weights that miss the input leave 0, so `outside` is made the zero.
    planes = np.subtract(planes, np.float32(outside), dtype=np.float32, order="C")
    mix = weights(along_z)[first:last, low:high]
    # The fewer planes, the less work: thick slices are made before, thin ones after.
    z_first = along_z.step > 1
    if z_first:
        planes = _mix(planes, mix, along_z.is_identity)
    planes = _resample_planes(planes, across[1], across[0])
    if not z_first:
        planes = _mix(planes, mix, along_z.is_identity)
    planes += np.float32(outside)
    return np.transpose(planes)


class _Across:
    """What a resampling does to each plane along one axis, or to a part of it."""

    def __init__(self, sampling: Sampling, rows: slice) -> None:
        full = rows == slice(None)
        self.identity = sampling.is_identity and full
        self.matrix = weights(sampling) if full else weights(sampling)[rows]
        self.n_out, self.n_in = self.matrix.shape


def _mix(planes: np.ndarray, matrix: csr_matrix, identity: bool) -> np.ndarray:
    if identity:
        return planes
    return np.asarray(matrix @ planes.reshape(len(planes), -1)).reshape(-1, *planes.shape[1:])


def _resample_planes(planes: np.ndarray, along_y: _Across, along_x: _Across) -> np.ndarray:
    """Resample each of `planes` (z, y, x); the axis that shrinks goes first."""
    if along_y.identity and along_x.identity:
        return planes
    y_first = along_y.n_out <= along_y.n_in
    out = np.empty((len(planes), along_y.n_out, along_x.n_out), dtype=np.float32)
    for index, plane in enumerate(planes):
        if y_first and not along_y.identity:
            plane = along_y.matrix @ plane
        if not along_x.identity:
            plane = (along_x.matrix @ np.ascontiguousarray(plane.T)).T
        if not y_first:
            plane = along_y.matrix @ np.ascontiguousarray(plane)
        out[index] = plane
    return out


def reach(sampling: Sampling, first: int, last: int) -> slice:
    """The outputs that read any of the inputs `first … last` (half-open)."""
    matrix = weights(sampling)[:, first:last]
    rows = np.flatnonzero(np.diff(matrix.indptr))
    return slice(int(rows[0]), int(rows[-1]) + 1) if rows.size else slice(0, 0)
