"""Cutting a volume into chunks of slices, and choosing those worth training on."""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.liverseg.errors import fault
from workflow.liverseg.volume_files import Volume

if TYPE_CHECKING:
    import pandas as pd

# Columns: a voxel's sides, which hang on the CT where it is not resampled.
SIDES = ("x_mm", "y_mm", "z_mm")


@dataclass(frozen=True)
class Chunk:
    """`n_slices` slices of a volume from `first_slice` on; the rest of a chunk is padding."""

    first_slice: int
    n_slices: int


def plan_chunks(n_slices: int, size: int, remainder: str) -> tuple[Chunk, ...]:
    """Divide `n_slices` slices into chunks of `size`.

    What is left over at the top is kept by a last chunk shifted back over slices that were had
    already (`shift`), by one filled up with air (`pad`), or not at all (`drop`). A volume thinner
    than a chunk is always padded: dropping it would drop the patient.
    """
    if n_slices < size:
        return (Chunk(0, n_slices),)
    chunks = [Chunk(first, size) for first in range(0, n_slices - size + 1, size)]
    left = n_slices % size
    if left and remainder == "shift":
        chunks.append(Chunk(n_slices - size, size))
    if left and remainder == "pad":
        chunks.append(Chunk(n_slices - left, left))
    return tuple(chunks)


def cut(data: np.ndarray, chunks: tuple[Chunk, ...], size: int) -> np.ndarray:
    """Cut `(x, y, z)` voxels into `(chunk, x, y, size)`; padding is 0: air, or background."""
    out = np.zeros((len(chunks), *data.shape[:2], size), dtype=data.dtype)
    for index, chunk in enumerate(chunks):
        valid = data[:, :, chunk.first_slice : chunk.first_slice + chunk.n_slices]
        out[index, :, :, : chunk.n_slices] = valid
    return out


def cut_volume(
    volume: Volume, settings: dict[str, Any]
) -> tuple["pd.DataFrame", np.ndarray, np.ndarray]:
    """Cut a labelled volume.

    Returns
    -------
    The table (`chunk`, `first_slice`, `n_slices`, `liver_voxels`: foreground of any class, and
    the voxels' `x_mm`, `y_mm`, `z_mm`), the image chunks float16 and the label chunks uint8, both
    `(chunk, x, y, slices)`.
    """
    import pandas as pd

    if volume.label is None:
        raise fault(
            expected="a volume with a label",
            found="a volume without one",
            remedy="only labelled patients are cut into chunks; ask for predictions instead",
        )
    size = settings["slices"]
    chunks = plan_chunks(volume.image.shape[2], size, settings["remainder"])
    image = cut(volume.image, chunks, size)
    label = cut(volume.label, chunks, size)
    table = pd.DataFrame(
        {
            "chunk": range(len(chunks)),
            "first_slice": [chunk.first_slice for chunk in chunks],
            "n_slices": [chunk.n_slices for chunk in chunks],
            "liver_voxels": np.count_nonzero(label, axis=(1, 2, 3)),
            # Rounded, so that what an oblique affine loses of 3 mm makes no other training.
            **dict(zip(SIDES, np.round(volume.spacing_mm, 4), strict=True)),
        }
    )
    return table, image, label


def keep_chunks(table: "pd.DataFrame", patient: str, settings: dict[str, Any]) -> "pd.DataFrame":
    """The rows with at least `min_liver_voxels`, and `empty_fraction` of the others.

    Which of the others are kept hangs on seed, patient and chunk alone, never on who else is in
    the cohort: a new patient changes no one's chunks.
    """
    enough = table["liver_voxels"] >= settings["min_liver_voxels"]
    drawn = [
        _draw(settings["seed"], patient, chunk) < settings["empty_fraction"]
        for chunk in table["chunk"]
    ]
    return table[enough | np.asarray(drawn, dtype=bool)].reset_index(drop=True)


def _draw(seed: int, patient: str, chunk: int) -> float:
    """A number in [0, 1) that depends on these three only."""
    key = f"{seed}\n{patient}\n{chunk}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=7).digest()) / 2**56
