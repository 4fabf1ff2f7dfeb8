"""A CT small enough for a page: fewer voxels, eight bits, one JPEG of all slices."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as Picture

from workflow.liverseg.grids import Route, plan_route
from workflow.liverseg.report_payload import to_address

AS_STORED = {"spacing_mm": None, "in_plane": {"mode": "keep"}}
QUALITIES = (85, 75, 65, 55, 45, 35, 25)
# ASSUME what is denser than this is body, table or clothes; only air may be cropped away.
AIR_HU = -500.0
MARGIN_VOXELS = 4


@dataclass(frozen=True)
class ViewGrid:
    """The page's grid: blocks of voxels of the canonical grid (x, y, z to R, A, S).

    start: first canonical voxel along x, y, z; block: canonical voxels a view voxel averages;
    shape: view voxels; spacing_mm: their distance.
    """

    start: tuple[int, int, int]
    block: tuple[int, int, int]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    def to_json(self) -> dict[str, list[Any]]:
        """The grid as the page's data file holds it."""
        return {name: list(value) for name, value in vars(self).items()}

    @staticmethod
    def from_json(record: dict[str, Any]) -> "ViewGrid":
        """The inverse of `to_json`; other keys are ignored."""
        return ViewGrid(
            *(tuple(record[name]) for name in ("start", "block", "shape", "spacing_mm"))
        )


def canonical_route(shape: tuple[int, ...], affine: np.ndarray) -> Route:
    """The turn of axes from a scan's grid (i, j, k) to x, y, z in RAS; nothing is resampled."""
    return plan_route(shape, affine, AS_STORED)


def plan_view(
    hu: np.ndarray, spacing_mm: tuple[float, ...], *, pixels: int, slices: int
) -> ViewGrid:
    """Choose the page's grid for a canonical CT (x, y, z) in HU.

    The air around the body is cropped in-plane; then whole blocks of voxels are averaged, as
    small as keep at most `pixels` columns and rows and `slices` slices.
    """
    span = [_body(hu, axis) for axis in (0, 1)] + [(0, hu.shape[2])]
    sizes = [stop - start for start, stop in span]
    in_plane = math.ceil(max(sizes[0], sizes[1]) / pixels)
    along = math.ceil(sizes[2] / slices)
    block = (in_plane, in_plane, along)
    shape = tuple(max(1, size // step) for size, step in zip(sizes, block, strict=True))
    return ViewGrid(
        start=(span[0][0], span[1][0], 0),
        block=tuple(min(step, size) for step, size in zip(block, sizes, strict=True)),  # type: ignore[arg-type]
        shape=shape,  # type: ignore[arg-type]
        spacing_mm=tuple(s * b for s, b in zip(spacing_mm, block, strict=True)),  # type: ignore[arg-type]
    )


def coarser_along_z(grid: ViewGrid, n_slices: int) -> ViewGrid:
    """The same grid with one canonical slice more in each block of `n_slices` canonical slices."""
    step = grid.block[2] + 1
    return ViewGrid(
        start=grid.start,
        block=(*grid.block[:2], step),
        shape=(*grid.shape[:2], max(1, n_slices // step)),
        spacing_mm=(*grid.spacing_mm[:2], grid.spacing_mm[2] * step / grid.block[2]),
    )


def average_blocks(voxels: np.ndarray, grid: ViewGrid) -> np.ndarray:
    """Mean of each block of canonical voxels (x, y, z), float32, of the grid's shape.

    Slice by slice, so that a large CT is never copied as a whole.
    """
    (x, y, z), (bx, by, bz), (nx, ny, nz) = grid.start, grid.block, grid.shape
    averaged = np.empty(grid.shape, np.float32)
    for index in range(nz):
        first = z + index * bz
        slab = voxels[x : x + nx * bx, y : y + ny * by, first : first + bz]
        blocks = slab.reshape(nx, bx, ny, by, -1)
        averaged[:, :, index] = blocks.mean(axis=(1, 3, 4), dtype=np.float32)
    return averaged


def pick_centres(classes: np.ndarray, grid: ViewGrid) -> np.ndarray:
    """Class of the voxel in the middle of each block of canonical classes (x, y, z)."""
    places = (
        slice(start + step // 2, start + step // 2 + (count - 1) * step + 1, step)
        for start, step, count in zip(grid.start, grid.block, grid.shape, strict=True)
    )
    return classes[tuple(places)]


def encode_slices(
    view: np.ndarray, window_hu: tuple[float, float], *, limit_bytes: int
) -> tuple[str, int] | None:
    """Draw all slices of a view (x, y, z) in HU into one JPEG; None if none fits `limit_bytes`.

    Returns the picture as an address, and the number of slices beside one another in it. Rows of
    the picture run along y and columns along x, as in the array; the page turns them.
    """
    low, high = window_hu
    grey = np.clip((view - low) / (high - low) * 255.0 + 0.5, 0, 255).astype(np.uint8)
    nx, ny, nz = grey.shape
    columns = max(1, round(math.sqrt(nz * ny / nx)))
    rows = math.ceil(nz / columns)
    sheet = np.zeros((rows * ny, columns * nx), np.uint8)
    for index in range(nz):
        top, left = index // columns * ny, index % columns * nx
        sheet[top : top + ny, left : left + nx] = grey[:, :, index].T
    for quality in QUALITIES:
        stream = io.BytesIO()
        Picture.fromarray(sheet).save(stream, "JPEG", quality=quality, optimize=True)
        if stream.tell() <= limit_bytes:
            return to_address(stream.getvalue(), "jpeg"), columns
    return None


def encode_scan(
    hu: np.ndarray, affine: np.ndarray, settings: dict[str, Any]
) -> tuple[dict[str, Any], ViewGrid]:
    """What the page shows of one CT (i, j, k) in HU, and the grid it is shown on.

    `settings` is the config's `report.viewer`.
    """
    route = canonical_route(hu.shape, affine)
    canonical = route.to_canonical(hu)
    spacing = np.linalg.norm(route.canonical_affine[:3, :3], axis=0)
    grid = plan_view(
        canonical,
        tuple(float(step) for step in spacing),
        pixels=settings["pixels"],
        slices=settings["slices"],
    )
    window = (float(settings["window_hu"][0]), float(settings["window_hu"][1]))
    while True:
        drawn = encode_slices(
            average_blocks(canonical, grid), window, limit_bytes=settings["scan_kb"] * 1000
        )
        if drawn is not None or grid.shape[2] == 1:
            break
        grid = coarser_along_z(grid, canonical.shape[2])
    address, columns = drawn or ("", 1)
    content = {**grid.to_json(), "window_hu": list(window), "columns": columns, "ct": address}
    return content, grid


def _body(hu: np.ndarray, axis: int) -> tuple[int, int]:
    # Every fourth slice and row tell where the body lies; the margin makes up for the rest.
    thin = hu[tuple(slice(None) if other == axis else slice(None, None, 4) for other in range(3))]
    others = tuple(other for other in range(3) if other != axis)
    inside = np.flatnonzero((thin > AIR_HU).any(axis=others))
    if not inside.size:
        return 0, hu.shape[axis]
    low, high = int(inside[0]) - MARGIN_VOXELS, int(inside[-1]) + 1 + MARGIN_VOXELS
    return max(0, low), min(hu.shape[axis], high)
