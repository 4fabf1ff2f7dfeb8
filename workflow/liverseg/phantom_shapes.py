"""Implicit shapes in millimetres, and the canvas that they are painted on.

A shape is a float32 array of signed distances in mm, negative inside. Distances are
exact for planes and spheres and good near the surface for the others, which is all that
painting with partial volumes needs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Distance = NDArray[np.floating[Any]]
Point = tuple[float, float, float]
Window = tuple[slice, slice, slice]

EVERYWHERE: Window = (slice(None), slice(None), slice(None))


def ellipsoid(x: Distance, y: Distance, z: Distance, *, centre: Point, radii_mm: Point) -> Distance:
    """Signed distance (mm) to an ellipsoid whose axes are those of the patient."""
    squared = sum(
        ((axis - np.float32(c)) / np.float32(r)) ** 2
        for axis, c, r in zip((x, y, z), centre, radii_mm, strict=True)
    )
    return (np.sqrt(squared) - 1) * np.float32(min(radii_mm))


def capsule(
    x: Distance,
    y: Distance,
    z: Distance,
    *,
    start: Point,
    end: Point,
    start_radius_mm: float,
    end_radius_mm: float,
) -> Distance:
    """Signed distance (mm) to a round tube that tapers from `start` to `end`."""
    direction = np.subtract(end, start).astype(np.float32)
    length_squared = float(direction @ direction) or 1.0
    along = sum(
        (axis - np.float32(s)) * d for axis, s, d in zip((x, y, z), start, direction, strict=True)
    ) / np.float32(length_squared)
    along = np.clip(along, 0, 1)
    squared = sum(
        (axis - np.float32(s) - along * d) ** 2
        for axis, s, d in zip((x, y, z), start, direction, strict=True)
    )
    radius = np.float32(start_radius_mm) + along * np.float32(end_radius_mm - start_radius_mm)
    return np.sqrt(squared) - radius


def oval(x: Distance, y: Distance, *, half_width_mm: float, half_depth_mm: float) -> Distance:
    """Signed radial distance (mm) in each slice to the rounded box that a trunk resembles."""
    power = np.float32(2.4)
    ratio = (
        (np.abs(x) / np.float32(half_width_mm)) ** power
        + (np.abs(y) / np.float32(half_depth_mm)) ** power
    ) ** (1 / power)
    radius = np.sqrt(x * x + y * y)
    return radius - radius / np.maximum(ratio, np.float32(1e-3))


def join(first: Distance, second: Distance, *, blend_mm: float) -> Distance:
    """Union of two shapes whose seam is rounded over `blend_mm` (polynomial smooth minimum)."""
    blend = np.float32(blend_mm)
    weight = np.clip(0.5 + 0.5 * (second - first) / blend, 0, 1)
    return second + (first - second) * weight - blend * weight * (1 - weight)


def meet(first: Distance, second: Distance, *, blend_mm: float) -> Distance:
    """Intersection of two shapes whose edge is rounded over `blend_mm`."""
    return -join(-first, -second, blend_mm=blend_mm)


def cut(shape: Distance, tool: Distance, *, gap_mm: float, blend_mm: float) -> Distance:
    """`shape` without `tool` and without a gap of `gap_mm` around it."""
    return meet(shape, np.float32(gap_mm) - tool, blend_mm=blend_mm)


@dataclass
class Canvas:
    """A CT in the making: voxel grid in RAS order, warped coordinates, HU and label.

    `axes_mm` are the true coordinates of the voxel centres along x, y, z; `x`, `y`, `z`
    (i, j, k) are the same coordinates bent by a slow wave, so that no organ is a plain
    ellipsoid. `hu` is float32, `label` uint8.
    """

    axes_mm: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    x: Distance
    y: Distance
    z: Distance
    hu: NDArray[np.float32]
    label: NDArray[np.uint8]
    edge_mm: float

    @classmethod
    def blank(
        cls,
        *,
        size: tuple[int, int, int],
        spacing_mm: Point,
        centre_mm: Point,
        bend_mm: float,
        random: np.random.Generator,
    ) -> "Canvas":
        """An empty grid of air around `centre_mm`, its coordinates bent by up to `bend_mm`."""
        x, y, z = (
            ((np.arange(n) - (n - 1) / 2) * s + c).astype(np.float32)
            for n, s, c in zip(size, spacing_mm, centre_mm, strict=True)
        )
        grid = np.meshgrid(x, y, z, indexing="ij", sparse=True)
        bent = []
        for axis in grid:
            wave = np.zeros(size, np.float32)
            for length_mm, height in ((170.0, 0.65), (75.0, 0.35)):
                direction = random.normal(size=3)
                direction *= 2 * np.pi / length_mm / np.linalg.norm(direction)
                phase = random.uniform(0, 2 * np.pi)
                angle = sum(
                    a * np.float32(d) for a, d in zip(grid, direction, strict=True)
                ) + np.float32(phase)
                wave += np.float32(height * bend_mm) * np.sin(angle)
            bent.append(axis + wave)
        return cls(
            axes_mm=(x, y, z),
            x=bent[0],
            y=bent[1],
            z=bent[2],
            hu=np.full(size, -1000, np.float32),
            label=np.zeros(size, np.uint8),
            # Partial volume reaches over about one pixel.
            edge_mm=float(spacing_mm[0]),
        )

    def near(self, low: Point, high: Point, *, reach_mm: float) -> Window:
        """The part of the grid within `reach_mm` of the box from `low` to `high`."""
        found = []
        for axis, a, b in zip(self.axes_mm, low, high, strict=True):
            first = int(np.searchsorted(axis, min(a, b) - reach_mm))
            last = int(np.searchsorted(axis, max(a, b) + reach_mm))
            found.append(slice(first, max(first, last)))
        return found[0], found[1], found[2]

    def at(self, window: Window) -> tuple[Distance, Distance, Distance]:
        """The bent coordinates within `window`."""
        return self.x[window], self.y[window], self.z[window]

    def paint(
        self,
        shape: Distance,
        hu: float | Distance,
        *,
        window: Window = EVERYWHERE,
        label: int | None = 0,
        within: int = 0,
    ) -> None:
        """Lay a shape of one density over what is there, blending at its border.

        `label` is the value that its inside gets (None leaves the label alone); with
        `within` above 0 only voxels whose label is at least that are changed.
        """
        cover = np.clip(np.float32(0.5) - shape / np.float32(self.edge_mm), 0, 1)
        if within:
            cover = cover * (self.label[window] >= within)
        self.hu[window] += cover * (np.asarray(hu, np.float32) - self.hu[window])
        if label is not None:
            self.label[window][cover > 0.5] = label
