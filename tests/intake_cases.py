"""Tiny CTs, labels and files with any fault, made by code for the tests of the intake."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.quaternions import mat2quat

from workflow.liverseg.labels import LabelMap
from workflow.liverseg.nifti_header import DATATYPES, LAYOUTS

SHAPE = (40, 36, 24)
LIVER = LabelMap.from_settings([{"name": "liver", "values": "positive"}])
AFFINE = np.array([[-8.0, 0, 0, 150], [0, 8.0, 0, -140], [0, 0, 8.0, -100], [0, 0, 0, 1]])
SETTINGS: dict[str, Any] = {
    "on_reject": "quarantine",
    "max_rejected": None,
    "empty_label": "reject",
    "false_spacing": "warn",
    "few_slices": 16,
    "spacing_mm": [0.3, 10],
    "volume_ml": [200, 5000],
    "ignored_values": [],
    "side": "right",
    "manifest": None,
    "spacing_table": None,
}


def body(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    """A noisy CT `(i, j, k)`, int16 HU: air, fat, tissue and a spine, no slice like another."""
    random = np.random.default_rng(seed)
    i, j, k = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    width = 0.85 - 0.15 * k + 0.05 * np.sin(5 * k + seed)
    radius = np.hypot(i / width, j / (width * 0.8))
    hu = np.where(radius < 1, -100.0, -1000.0)
    hu[radius < 0.85] = 50
    hu[np.hypot(i - 0.3 * k, j + 0.3) < 0.25 + 0.1 * k] = -800
    hu[np.hypot(i, j - 0.45) < 0.12] = 400
    hu += random.normal(0, 12, shape)
    return hu.astype(np.int16)


def liver(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """An ellipsoid of 1, uint8, on the patient's right under `AFFINE`, about 590 ml."""
    i, j, k = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    inside = ((i + 0.35) / 0.35) ** 2 + (j / 0.4) ** 2 + ((k + 0.2) / 0.5) ** 2 < 1
    return inside.astype(np.uint8)


def nifti(
    data: np.ndarray,
    affine: np.ndarray = AFFINE,
    *,
    order: str = "<",
    version: int = 1,
    front: bytes = b"\0" * 4,
    fields: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of a NIfTI file, each header field as given by `fields` or as it should be."""
    layout = LAYOUTS[348 if version == 1 else 540].newbyteorder(order)
    header = np.zeros((), layout)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    rotation = affine[:3, :3] / spacing
    qfac = -1.0 if np.linalg.det(rotation) < 0 else 1.0
    quaternion = mat2quat(rotation * (1, 1, qfac))
    kind = data.dtype.str[1:]
    header["sizeof_hdr"] = layout.itemsize
    header["dim"] = [data.ndim, *data.shape, *[1] * (7 - data.ndim)]
    header["datatype"] = next((c for c, name in DATATYPES.items() if name == kind), 0)
    header["bitpix"] = data.dtype.itemsize * 8
    header["pixdim"] = [qfac, *spacing, 1, 1, 1, 1]
    header["vox_offset"] = layout.itemsize + len(front)
    header["scl_slope"] = 1
    header["qform_code"] = header["sform_code"] = 1
    header["quatern"] = quaternion[1:]
    header["qoffset"] = affine[:3, 3]
    header["srow"] = affine[:3]
    header["magic"] = b"n+1" if version == 1 else b"n+2"
    header["xyzt_units"] = 2
    for name, value in (fields or {}).items():
        header[name] = value
    voxels = data.astype(data.dtype.newbyteorder(order)).tobytes(order="F")
    return header.tobytes() + front + voxels


def write(path: Path, content: bytes) -> Path:
    """Write a file, zipped if it is named so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        gzip.compress(content, 1, mtime=0) if path.name.endswith(".gz") else content
    )  # fmt: skip
    return path


def case(folder: Path, name: str = "p1", **options: Any) -> tuple[Path, Path]:
    """Write a sound pair; returns the paths of CT and label."""
    ct = write(folder / name / "ct.nii.gz", nifti(options.get("ct", body()), **_only(options)))
    label = write(folder / name / "label.nii.gz", nifti(options.get("label", liver())))
    return ct, label


def _only(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in ("ct", "label")}
