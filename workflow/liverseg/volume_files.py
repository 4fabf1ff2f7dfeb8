"""A prepared volume and its file, apart from what prepares one: steps that read need no more."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workflow.liverseg.files import whole


@dataclass(frozen=True)
class Volume:
    """A prepared CT `(x, y, z)` in RAS, scaled to 0…1, and its classes where a label is known."""

    image: np.ndarray  # float16
    label: np.ndarray | None  # uint8
    affine: np.ndarray  # (4, 4), index to RAS mm

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm of neighbouring voxels along x, y, z."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def write_volume(path: Path, volume: Volume) -> None:
    """Write a volume as an uncompressed `.npz`, whole."""
    content = {
        "image": volume.image,
        "affine": volume.affine,
        "spacing_mm": np.asarray(volume.spacing_mm),
    }
    if volume.label is not None:
        content["label"] = volume.label
    with whole(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **content)  # type: ignore[arg-type]


def read_volume(path: Path) -> Volume:
    """Read what `write_volume` wrote."""
    with np.load(path, allow_pickle=False) as content:
        return Volume(content["image"], content.get("label"), content["affine"])
