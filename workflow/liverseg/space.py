"""How much room a run needs, estimated from the headers of its CTs before it starts."""

import gzip
import math
import shutil
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Bytes a voxel, a rough estimate that errs to the large side: float16 image and uint8 label in
# the volume, and again in the chunks; on the scanner's grid a mask, a masked CT and a probability.
PREPARED_BYTES = 2 * (2 + 1)
PREDICTED_BYTES = 0.3
SURFACES_AND_PICTURES_BYTES = 25e6
MODEL_BYTES = 0.4e9  # weights, and the resume states while it trains


def space_needed(images: Iterable[Path], settings: dict[str, Any]) -> float:
    """Bytes that results take for these CTs; `settings` holds `volumes` and `train`.

    A CT that cannot be read needs none: it will be rejected. An upper estimate, since all
    patients are counted as predicted and as trained with.
    """
    models = len(settings["train"])
    total = models * MODEL_BYTES
    for image in images:
        grid = _grid(image)
        if grid:
            voxels = math.prod(size for size, _ in grid)
            total += PREPARED_BYTES * _prepared_voxels(grid, settings["volumes"])
            total += models * (PREDICTED_BYTES * voxels + SURFACES_AND_PICTURES_BYTES)
    return total


def space_note(images: Iterable[Path], settings: dict[str, Any], directory: Path) -> str:
    """One line on the room needed and free; starts with WARNING when it is too little."""
    needed = space_needed(images, settings)
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


def _prepared_voxels(grid: list[tuple[int, float]], volumes: dict[str, Any]) -> float:
    wanted = volumes["spacing_mm"]
    wanted = wanted if isinstance(wanted, list) else [wanted] * 3
    sizes = [n if new is None else n * mm / new for (n, mm), new in zip(grid, wanted, strict=True)]
    if "size" in volumes["in_plane"]:
        sizes[:2] = volumes["in_plane"]["size"]
    return math.prod(sizes)


def _grid(image: Path) -> list[tuple[int, float]]:
    """(voxels, mm) of the three axes from a NIfTI-1 header; empty where there is none to read."""
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
