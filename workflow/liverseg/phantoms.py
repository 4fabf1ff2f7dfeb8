"""Synthetic abdominal CTs with labels: the cohort that a fresh clone runs on.

A phantom is a function of (seed, patient number) and of the sizes in the config, never of
the other phantoms: making one more patient changes none of those before.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow.liverseg.files import whole
from workflow.liverseg.images import write_image
from workflow.liverseg.phantom_anatomy import draw_build, paint_patient
from workflow.liverseg.phantom_cohort import is_damaged, phantom_names, phantom_number
from workflow.liverseg.phantom_shapes import Canvas

__all__ = ["Phantom", "make_phantom", "phantom_names", "phantom_number", "write_phantom"]

ORIENTATIONS = ("RAS", "LPS", "LAS")
SHORT_SPACING_MM = 3.5  # 12 of them are 14 slices of 3 mm, fewer than a chunk of the demo


@dataclass(frozen=True)
class Phantom:
    """One synthetic CT: `hu` int16 and `label` uint8 (i, j, k), `affine` to RAS mm."""

    hu: NDArray[np.int16]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]


def make_phantom(patient: str, settings: dict[str, Any]) -> Phantom:
    """Make one synthetic patient.

    `settings` is the `phantoms` section of the config: `seed`, `in_plane_pixels` and
    `slices` (both [lowest, highest]), `short` (numbers of patients with fewer than 16
    slices) and `noise_hu` ([lowest, highest] standard deviation).
    """
    number = phantom_number(patient)
    random = np.random.default_rng([int(settings["seed"]), number])
    build = draw_build(random)
    size, spacing_mm, middle_mm = _draw_grid(number, build.outline_mm[0], settings, random)
    canvas = Canvas.blank(
        size=size,
        spacing_mm=spacing_mm,
        centre_mm=(0.0, -4.0, middle_mm),
        bend_mm=float(random.uniform(3.0, 5.5)),
        random=random,
    )
    _paint_table(canvas, build.outline_mm[1])
    paint_patient(canvas, build, random)
    low, high = settings["noise_hu"]
    hu = canvas.hu + _noise(size, float(random.uniform(low, high)), random)
    affine = np.diag([*spacing_mm, 1.0])
    # Scanners put the origin where they like.
    affine[:3, 3] = [axis[0] for axis in canvas.axes_mm] + random.uniform(-60, 60, 3).round(2)
    values = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    return _reoriented(values, canvas.label, affine, ORIENTATIONS[number % len(ORIENTATIONS)])


def write_phantom(ct: Path, label: Path, patient: str, settings: dict[str, Any]) -> None:
    """Make one synthetic patient and write its CT (int16 HU) and its label (uint8).

    The CT of a patient named under `damaged` loses the last third of its gzip stream, on
    purpose: the first run already shows what the rejection of a patient looks like.
    """
    phantom = make_phantom(patient, settings)
    write_image(label, phantom.label, phantom.affine)
    with whole(ct) as temporary:
        write_image(temporary, phantom.hu, phantom.affine)
        if is_damaged(patient, settings):
            content = temporary.read_bytes()
            temporary.write_bytes(content[: 2 * len(content) // 3])


def _draw_grid(
    number: int, half_width_mm: float, settings: dict[str, Any], random: np.random.Generator
) -> tuple[tuple[int, int, int], tuple[float, float, float], float]:
    """Draw the voxel grid: size, spacing and the height of its middle (mm)."""
    low, high = settings["in_plane_pixels"]
    columns, rows = (int(n) for n in random.integers(low, high + 1, 2))
    field_mm = 2 * half_width_mm + random.uniform(12, 40)
    # A scanner's pixels are square; the longer axis only shows more air.
    in_plane_mm = round(field_mm / min(columns, rows), 3)
    low, high = settings["slices"]
    slices = int(random.integers(low, high + 1))
    height_mm = random.uniform(195, 235)
    if number in settings["short"]:
        slices = 12
        return (columns, rows, slices), (in_plane_mm, in_plane_mm, SHORT_SPACING_MM), 12.0
    slice_mm = round(height_mm / slices, 2)
    return (columns, rows, slices), (in_plane_mm, in_plane_mm, slice_mm), 4.0


def _paint_table(canvas: Canvas, half_depth_mm: float) -> None:
    """The curved plate under the back."""
    x, y, z = np.meshgrid(*canvas.axes_mm, indexing="ij", sparse=True)
    plate = np.abs(y + np.float32(half_depth_mm + 8) - 0.0009 * x * x) - 4 + 0 * z
    canvas.paint(np.maximum(plate, np.abs(x) - 190), -120.0)


def _noise(
    size: tuple[int, int, int], deviation_hu: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Grain of about two pixels in the plane, independent from slice to slice."""
    white = random.standard_normal(size, np.float32)
    grain = white + 0.6 * (np.roll(white, 1, 0) + np.roll(white, 1, 1))
    return np.float32(deviation_hu / np.sqrt(1 + 2 * 0.6**2)) * grain


def _reoriented(
    hu: NDArray[np.int16], label: NDArray[np.uint8], affine: NDArray[np.float64], axes: str
) -> Phantom:
    """Store a RAS phantom with its axes flipped to `axes`; world positions stay."""
    flipped = tuple(
        axis for axis, (is_, wanted) in enumerate(zip("RAS", axes, strict=True)) if is_ != wanted
    )
    affine = affine.copy()
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    return Phantom(
        hu=np.ascontiguousarray(np.flip(hu, flipped)),
        label=np.ascontiguousarray(np.flip(label, flipped)),
        affine=affine,
    )
