"""The scalar field whose zero level is a region's surface, between thick slices too."""

import cc3d
import edt
import numpy as np
from scipy import ndimage

HALF_STEP = 0.5 / 255.0  # half of what a probability of 8 bits can tell
REACH = 1.0  # slices; distances beyond it do not draw the surface from the middle of two slices
THICK = 1.5  # ratio of the slices' distance to that of pixels from which they count as thick


def level_field(
    probability: np.ndarray, inside: np.ndarray, spacing_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Field (i, j, k) that is positive inside a region, with zero where its surface runs.

    `probability` in 0…1 and `inside` boolean, (i, j, k) with a border of background. Returns the
    field and how many of its steps make one voxel along each axis (3,): slices much thicker than
    pixels are interpolated between, so that a sloping surface does not become a staircase.
    """
    field = probability - np.float32(0.5)
    # The mask decides on which side a voxel is.
    field = np.where(inside, np.maximum(field, HALF_STEP), np.minimum(field, -HALF_STEP))
    field = field.astype(np.float32)
    steps = np.ones(3)
    axis = int(np.argmax(spacing_mm))
    pixel_mm = np.delete(spacing_mm, axis)
    if spacing_mm[axis] < THICK * pixel_mm.min():
        return field, steps
    steps[axis] = max(2, round(spacing_mm[axis] / pixel_mm.min()))
    distances = in_plane_distances(np.moveaxis(field, axis, 0), pixel_mm, spacing_mm[axis])
    finer = between_slices(distances, int(steps[axis]))
    finer = off_nodes(finer, 0.01 * float(pixel_mm.min()))
    return np.ascontiguousarray(np.moveaxis(finer, 0, axis)), steps


def in_plane_distances(field: np.ndarray, pixel_mm: np.ndarray, slice_mm: float) -> np.ndarray:
    """Signed distance (mm) of each pixel (slice, u, v) to its slice's outline, positive inside.

    Interpolating distances rather than grey values between slices carries an outline over
    smoothly (shape-based interpolation, Raya & Udupa 1990, doi:10.1109/42.52980). Next to the
    outline the distance comes from the field's own slope, finer than a pixel. In a slice without
    the region, and within those next to them, it is the distance in space: so the ends close
    half-way between two slices where they are flat, as a liver's is that the scan cuts off.
    """
    inside = field > 0
    spacing = tuple(float(step) for step in pixel_mm)
    in_space = edt.edt(~inside, anisotropy=(slice_mm, *spacing), black_border=False)
    depth = edt.edt(inside, anisotropy=(slice_mm, *spacing), black_border=True)
    filled = inside.any(axis=(1, 2))
    at_end = ~(np.roll(filled, 1) & np.roll(filled, -1))
    distances = np.empty(field.shape, dtype=np.float32)
    half_pixel = float(pixel_mm.min()) / 2
    for index, flat in enumerate(inside):
        if not flat.any():
            distances[index] = -np.maximum(in_space[index] - half_pixel, half_pixel / 2)
            continue
        within = edt.edt(flat, anisotropy=spacing, black_border=True)
        without = edt.edt(~flat, anisotropy=spacing, black_border=False)
        coarse = np.where(flat, within - half_pixel, half_pixel - without)
        if at_end[index]:
            coarse = np.minimum(coarse, depth[index] - half_pixel)
        slope = np.hypot(*np.gradient(field[index], *spacing))
        fine = field[index] / np.maximum(slope, 1e-3)
        beside = (np.abs(coarse) <= 1.01 * half_pixel) & (np.abs(fine) < 3 * half_pixel)
        distances[index] = np.where(beside, fine, coarse)
    # A part that ends flat between two slices ends midway, however thick it was.
    return np.clip(distances, -REACH * slice_mm, REACH * slice_mm)


def between_slices(volume: np.ndarray, steps: int) -> np.ndarray:
    """Interpolate linearly along the first axis: `steps` steps where there was one."""
    lower, upper = volume[:-1], volume[1:]
    finer = np.empty((steps * len(lower) + 1, *volume.shape[1:]), dtype=np.float32)
    for step in range(steps):
        share = np.float32(step / steps)
        finer[step:-1:steps] = lower * (1 - share) + upper * share
    finer[-1] = volume[-1]
    return finer


def off_nodes(field: np.ndarray, least: float) -> np.ndarray:
    """Keep a field (float32) at least `least` away from 0, on the side where it is.

    A surface that runs through a node of the grid collapses triangles there, and is then no
    longer a manifold.
    """
    return np.where(field > 0, np.maximum(field, least), np.minimum(field, -least)).astype(
        np.float32
    )


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The largest piece (by faces) of a boolean mask (i, j, k), with its cavities filled."""
    largest = cc3d.largest_k(mask, k=1, connectivity=6) > 0
    return ndimage.binary_fill_holes(largest)
