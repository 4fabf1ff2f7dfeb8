"""How much room a run needs, estimated before it starts: from headers, or from sizes of files."""

import gzip
import math
import shutil
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workflow.liverseg.patients import Patient

# Bytes a voxel, a rough estimate that errs to the large side: float16 image and uint8 label in
# the volume, and again in the chunks; on the scanner's grid a mask, a masked CT and a probability.
PREPARED_BYTES = 2 * (2 + 1)
PREDICTED_BYTES = 0.3
SURFACES_AND_PICTURES_BYTES = 25e6
MODEL_BYTES = 0.4e9  # weights, and the resume states while it trains
# A CT that the workflow writes itself (imported, a phantom, of corrected spacing) and its label.
WRITTEN_BYTES = 1.5
# ASSUME what is imported is stored as 16 bits a voxel, uncompressed: DICOM as scanners send it. Of
# compressed files, half the size or less, the estimate is too small by as much.
IMPORTED_VOXEL_BYTES = 2
# ASSUME its slices are those of nearly every CT, and it shows a trunk: no header is read yet.
IMPORTED_PIXELS, IMPORTED_MM = 512, (400.0, 400.0, 500.0)
PHANTOM_MM = (400.0, 400.0, 240.0)  # at most, as `phantoms` draws them

Grid = list[tuple[float, float]]  # (voxels, mm) of the three axes


def space_needed(patients: Iterable[Patient], settings: dict[str, Any]) -> float:
    """Bytes that results take for these patients.

    settings: `volumes`, `train`, `phantoms`, `cross_validation`.

    A CT that cannot be read needs none: it will be rejected. An upper estimate, since all
    patients are counted as predicted and as trained with, and all files of a series' folder as
    its slices.
    """
    models = len(settings["train"])
    total = models * (settings["cross_validation"]["folds"] or 1) * MODEL_BYTES
    for patient in patients:
        grid = _grid_of(patient, settings["phantoms"])
        if grid:
            voxels = math.prod(size for size, _ in grid)
            total += PREPARED_BYTES * _prepared_voxels(grid, settings["volumes"])
            total += models * (PREDICTED_BYTES * voxels + SURFACES_AND_PICTURES_BYTES)
            if patient.kind != "nifti" or patient.unspaced:
                total += WRITTEN_BYTES * voxels
    return total


def _grid_of(patient: Patient, phantoms: dict[str, Any]) -> Grid:
    if patient.kind == "phantom":
        pixels, slices = phantoms["in_plane_pixels"][1], phantoms["slices"][1]
        return _nominal(pixels, slices, PHANTOM_MM)
    if patient.image_sources:
        size = sum(path.stat().st_size for path in patient.image_sources if path.is_file())
        slices = size / IMPORTED_VOXEL_BYTES / IMPORTED_PIXELS**2
        return _nominal(IMPORTED_PIXELS, slices, IMPORTED_MM) if size else []
    return _grid(patient.unspaced.get("ct", patient.image))


def _nominal(pixels: float, slices: float, extent_mm: tuple[float, float, float]) -> Grid:
    sizes = (pixels, pixels, slices)
    return [(size, mm / size) for size, mm in zip(sizes, extent_mm, strict=True)]


def space_note(patients: Iterable[Patient], settings: dict[str, Any], directory: Path) -> str:
    """One line on the room needed and free; starts with WARNING when it is too little."""
    needed = space_needed(patients, settings)
    made = directory / "results"
    there = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    free = shutil.disk_usage(directory).free
    missing = max(needed - there, 0.0)
    note = f"about {missing / 1e9:.1f} GB still to be written, {free / 1e9:.1f} GB free"
    if missing > free:
        return (
            f"WARNING: space: {note}. Make room, or run elsewhere with --directory; "
            "a step that finds the disk full stops and leaves nothing half-written."
        )
    return f"Space: {note}."


def _prepared_voxels(grid: Grid, volumes: dict[str, Any]) -> float:
    wanted = volumes["spacing_mm"]
    wanted = wanted if isinstance(wanted, list) else [wanted] * 3
    sizes = [n if new is None else n * mm / new for (n, mm), new in zip(grid, wanted, strict=True)]
    if "size" in volumes["in_plane"]:
        sizes[:2] = volumes["in_plane"]["size"]
    return math.prod(sizes)


def _grid(image: Path) -> Grid:
    """The grid of a NIfTI-1 header; empty where there is none to read."""
    try:
        with gzip.open(image) if image.suffix == ".gz" else image.open("rb") as stream:
            header = stream.read(348)
        order = "<" if struct.unpack("<i", header[:4])[0] == 348 else ">"
        sizes = struct.unpack(f"{order}3h", header[42:48])
        spacing = struct.unpack(f"{order}3f", header[80:92])
    except (OSError, EOFError, struct.error, zlib.error):  # inspection names what is wrong
        return []
    sound = all(n > 0 and 0 < mm < 100 for n, mm in zip(sizes, spacing, strict=True))
    return list(zip(sizes, spacing, strict=True)) if sound else []
