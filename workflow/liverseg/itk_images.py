"""NRRD and MetaImage files, read by SimpleITK, with the affine turned to RAS."""

import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from workflow.liverseg.findings import Finding, Rejection, reject
from workflow.liverseg.images import Image
from workflow.liverseg.placing import label_rejection, place
from workflow.liverseg.structure_names import choose

SEGMENT_KEY = r"Segment\d+_(Name|Layer|LabelValue)"


def read_itk(path: Path, part: str) -> tuple[NDArray[Any], NDArray[np.float64], dict[str, str]]:
    """Read voxels (i, j, k) or (i, j, k, layer), the affine to RAS mm, and its segments' keys.

    `part` is "ct" or "label", for the Rejection where the file cannot be read as a 3D image.
    """
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        image = reader.Execute()
        if path.suffix.lower() in {".mha", ".mhd"}:
            _check_stream(path)
    except (RuntimeError, zlib.error):
        # ITK's message quotes the whole path, which may hold a name.
        raise Rejection(
            reject(
                f"{part}_unreadable",
                part,
                found="a file that cannot be read as NRRD or MetaImage",
                expected="a whole .nrrd, .nhdr, .mha or .mhd file, with its data beside it",
                remedy="export the file again",
            )
        ) from None
    if image.GetDimension() != 3:
        raise Rejection(
            reject(
                f"{part}_dimensions",
                part,
                found=f"an image of {image.GetDimension()} dimensions",
                expected="3 dimensions",
                remedy="export one volume",
            )
        )
    lps = np.eye(4)
    lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    lps[:3, 3] = image.GetOrigin()
    data = sitk.GetArrayFromImage(image)
    axes = (2, 1, 0, 3) if data.ndim == 4 else (2, 1, 0)
    # Only what names a segment of 3D Slicer: other keys may hold anything, also a person's name.
    named = [key for key in image.GetMetaDataKeys() if re.fullmatch(SEGMENT_KEY, str(key))]
    keys = {key: image.GetMetaData(key) for key in named}
    return data.transpose(axes), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, keys


def _check_stream(path: Path) -> None:
    """Inflate a compressed MetaImage to its checksum, which MetaIO itself does not look at."""
    content = path.read_bytes()
    end = re.search(rb"^ElementDataFile *= *(.+?)\r?\n", content, re.MULTILINE)
    if end is None or not re.search(rb"^CompressedData *= *True", content[: end.start()], re.M):
        return
    if end[1] == b"LOCAL":
        zlib.decompress(memoryview(content)[end.end() :])
    else:
        zlib.decompress((path.parent / end[1].decode(errors="surrogateescape")).read_bytes())


def read_ct(path: Path) -> Image:
    """Read a CT: int16 HU, or float32 where a value is not finite, for the inspection to see."""
    data, affine, _ = read_itk(path, "ct")
    if data.ndim != 3 or not np.issubdtype(data.dtype, np.number) or np.iscomplexobj(data):
        raise Rejection(
            reject(
                "ct_dimensions",
                "ct",
                found="voxels of several components",
                expected="one density a voxel",
                remedy="export the CT, not a colour image",
            )
        )
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        return Image(data.astype(np.float32), affine)
    return Image(np.clip(np.rint(data), -32768, 32767).astype(np.int16), affine)


def read_label(
    path: Path, ct: Image, structures: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.uint16], list[Finding]]:
    """Read a label onto the grid of `ct`, of which only shape and affine are used.

    Values are kept, but for a segmentation of 3D Slicer, which names its segments: those get the
    values that `structures` (see `structure_names.choose`) gives to their names.
    """
    data, affine, keys = read_itk(path, "label")
    if data.dtype.kind == "f" and not np.array_equal(data, np.rint(data)):
        raise label_rejection(
            "label_not_integer", "values that are not whole numbers", "one number a structure",
            "export the label without interpolation",
        )  # fmt: skip
    if data.size and (data.min() < 0 or data.max() > 65535):
        raise label_rejection(
            "label_values", f"values from {data.min()} to {data.max()}", "values from 0 to 65535",
            "export the label as a mask",
        )  # fmt: skip
    values = data.astype(np.uint16)
    findings: list[Finding] = []
    if any(re.fullmatch(r"Segment\d+_Name", key) for key in keys):
        values, findings = _slicer_values(values, keys, structures)
    elif values.ndim == 4:
        raise label_rejection(
            "label_dimensions", "several layers without names", "one number a voxel",
            "export one label map",
        )  # fmt: skip
    label = np.zeros(ct.data.shape, np.uint16)
    place(label, values, affine, ct.affine)
    return label, findings


def _slicer_values(
    values: NDArray[np.uint16], keys: Mapping[str, str], structures: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.uint16], list[Finding]]:
    """Give the named segments of 3D Slicer their values; segments may lie on several layers."""
    layers = values if values.ndim == 4 else values[..., None]
    matches = {re.fullmatch(r"Segment(\d+)_Name", key): name for key, name in keys.items()}
    names = {int(match[1]): [name] for match, name in matches.items() if match}
    chosen, findings = choose(names, structures)
    masks: dict[int, NDArray[np.bool_]] = {}
    for number, value in chosen.items():
        layer = int(keys.get(f"Segment{number}_Layer", "0"))
        stored = int(keys.get(f"Segment{number}_LabelValue", "1"))
        masks[value] = masks.get(value, np.False_) | (layers[..., layer] == stored)
    found = np.zeros(layers.shape[:3], np.uint16)
    for value in dict.fromkeys(int(entry["value"]) for entry in structures):
        if value in masks:
            found[masks[value]] = value
    return found, findings
