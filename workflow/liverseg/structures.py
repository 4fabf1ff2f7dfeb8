"""Labels out of DICOM SEG and RTSTRUCT objects, on the grid of the CT."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from workflow.liverseg.dicom import read_pixels
from workflow.liverseg.dicom_series import (
    RTSTRUCT_CLASS,
    SEG_CLASSES,
    digest_of_uid,
    kind_of,
    quiet,
    readable,
    referenced_series,
)
from workflow.liverseg.findings import Finding, Rejection, warn
from workflow.liverseg.images import Image
from workflow.liverseg.placing import fill_polygons, label_rejection, place
from workflow.liverseg.structure_names import choose

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
OFF_SLICE_VOXELS = 0.1


def read_structures(
    path: Path, ct: Image, series_digest: str | None, structures: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.uint16], list[Finding]]:
    """Read a SEG or an RTSTRUCT onto the grid of `ct` (only its shape and affine are used).

    `series_digest` is that of the series which the CT was read from, None where unknown.
    Later entries of `structures` lie over earlier ones.
    """
    quiet()
    with readable("label", "a label object that cannot be read"):
        return _read(path, ct, series_digest, structures)


def _read(
    path: Path, ct: Image, series_digest: str | None, structures: Sequence[Mapping[str, Any]]
) -> tuple[NDArray[np.uint16], list[Finding]]:
    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError:
        raise _no_label() from None
    kind = kind_of(dataset)
    refers = {digest_of_uid(uid) for uid in referenced_series(dataset) if uid}
    if series_digest is not None and refers and series_digest not in refers:
        raise label_rejection(
            "label_of_other_series",
            "a label that refers to another series than the CT",
            "a label drawn on the CT series that is read",
            "put the series that it was drawn on into the folder, and only that",
        )
    if kind in SEG_CLASSES:
        layers, findings = _segments(path, dataset, ct, structures)
    elif kind == RTSTRUCT_CLASS:
        layers, findings = _contours(dataset, ct, structures)
    else:
        raise _no_label()
    label = np.zeros(ct.data.shape, np.uint16)
    order = list(dict.fromkeys(int(entry["value"]) for entry in structures))
    for value in order:
        if value in layers:
            label[layers[value]] = value
    return label, findings


def _no_label() -> Rejection:
    return label_rejection(
        "label_no_label",
        "a file that is neither SEG nor RTSTRUCT",
        "a SEG, an RTSTRUCT, or an image file",
        "give the path of the label object",
    )


def _segments(
    path: Path, dataset: pydicom.Dataset, ct: Image, structures: Sequence[Mapping[str, Any]]
) -> tuple[dict[int, NDArray[np.bool_]], list[Finding]]:
    """Place each frame of a SEG by its own position."""
    names = {}
    for segment in dataset.SegmentSequence:
        texts = [str(segment.get("SegmentLabel", ""))]
        codes = segment.get("SegmentedPropertyTypeCodeSequence") or ()
        texts += [str(code.get("CodeMeaning", "")) for code in codes]
        names[int(segment.SegmentNumber)] = texts
    known, findings = choose(names, structures)
    kind = str(dataset.get("SegmentationType", "BINARY"))
    pixels = read_pixels(path, "label")
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    half = float(dataset.get("MaximumFractionalValue", 255)) / 2 if kind == "FRACTIONAL" else 0.0
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    layers: dict[int, NDArray[np.bool_]] = {}
    for plane, frame in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        affine = _frame_affine([frame, *shared], ct)
        if kind == "LABELMAP":
            parts = {number: plane == number for number in known}
        else:
            chosen = _functional([frame, *shared], "SegmentIdentificationSequence")
            number = int(chosen.ReferencedSegmentNumber)
            parts = {number: plane > half} if number in known else {}
        for number, mask in parts.items():
            layer = layers.setdefault(known[number], np.zeros(ct.data.shape, bool))
            place(layer.view(np.uint8), mask.T[:, :, None].astype(np.uint8), affine, ct.affine)
    return layers, findings


def _functional(groups: Sequence[Any], name: str) -> Any:
    for group in groups:
        items = group.get(name)
        if items:
            return items[0]
    raise label_rejection(
        "label_unreadable",
        f"a SEG frame without {name}",
        "frames with orientation, spacing, position and segment",
        "export the segmentation again",
    )


def _frame_affine(groups: Sequence[Any], ct: Image) -> NDArray[np.float64]:
    """Return the affine (RAS) of one frame as a volume of (column, row, 1)."""
    directions = _functional(groups, "PlaneOrientationSequence").ImageOrientationPatient
    between_rows, between_columns = _functional(groups, "PixelMeasuresSequence").PixelSpacing
    lps = np.eye(4)
    lps[:3, 0] = np.array(directions[:3], float) * float(between_columns)
    lps[:3, 1] = np.array(directions[3:], float) * float(between_rows)
    # One frame has no thickness of its own: the CT's slices say how far the next one is.
    normal = np.cross(directions[:3], directions[3:])
    axis = int(np.argmax(np.abs((TO_RAS[:3, :3] @ normal) @ ct.affine[:3, :3] / ct.spacing_mm)))
    lps[:3, 2] = normal * ct.spacing_mm[axis]
    lps[:3, 3] = _functional(groups, "PlanePositionSequence").ImagePositionPatient
    return TO_RAS @ lps


def _contours(
    dataset: pydicom.Dataset, ct: Image, structures: Sequence[Mapping[str, Any]]
) -> tuple[dict[int, NDArray[np.bool_]], list[Finding]]:
    """Fill the closed contours of an RTSTRUCT slice by slice."""
    regions = dataset.get("ROIContourSequence") or ()
    drawn = {int(region.ReferencedROINumber) for region in regions if region.get("ContourSequence")}
    names = {
        int(roi.ROINumber): [str(roi.get("ROIName", ""))]
        for roi in dataset.StructureSetROISequence
        if int(roi.ROINumber) in drawn
    }
    known, findings = choose(names, structures)
    to_index = np.linalg.inv(ct.affine) @ TO_RAS
    layers: dict[int, NDArray[np.bool_]] = {}
    for region in regions:
        value = known.get(int(region.ReferencedROINumber))
        if value is None:
            continue
        by_slice: dict[int, list[NDArray[np.float64]]] = {}
        for contour in region.get("ContourSequence") or ():
            if str(contour.get("ContourGeometricType", "CLOSED_PLANAR")) == "POINT":
                continue
            k, polygon = _polygon(contour, to_index, ct.data.shape[2])
            by_slice.setdefault(k, []).append(polygon)
        layer = layers.setdefault(value, np.zeros(ct.data.shape, bool))
        for k, polygons in by_slice.items():
            layer[:, :, k] |= fill_polygons((ct.data.shape[0], ct.data.shape[1]), polygons)
        if by_slice and len(by_slice) < max(by_slice) - min(by_slice) + 1:
            findings.append(_skipped(max(by_slice) - min(by_slice) + 1 - len(by_slice)))
    return layers, findings


def _polygon(
    contour: Any, to_index: NDArray[np.float64], slices: int
) -> tuple[int, NDArray[np.float64]]:
    """Return the slice of a contour and its corners in voxel units."""
    points = np.array(contour.ContourData, float).reshape(-1, 3)
    index = points @ to_index[:3, :3].T + to_index[:3, 3]
    k = int(np.rint(index[:, 2].mean()))
    off = float(np.abs(index[:, 2] - k).max())
    if off > OFF_SLICE_VOXELS:
        raise label_rejection(
            "label_grid",
            f"contours off the CT's slices by up to {off:.2f} of their distance",
            "contours drawn on the slices of this CT",
            "export the contours on the CT's own slices",
        )
    if not 0 <= k < slices:
        raise label_rejection(
            "label_outside",
            "contours above or below the CT",
            "contours within the CT",
            "check that contours and CT belong together",
        )
    return k, index[:, :2]


def _skipped(count: int) -> Finding:
    return warn(
        "label_slices_skipped",
        "label",
        found=f"{count} slices without a contour between others that have one",
        expected="a contour on every slice",
        remedy="interpolate the contours where they were drawn, and export again",
    )
