"""A CT out of DICOM files: the pixels of one series in HU, on its RAS grid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

from workflow.liverseg import privacy
from workflow.liverseg.dicom_choice import check_persons, check_scale, choose, volumes_in
from workflow.liverseg.dicom_series import (
    DAMAGED,
    NO_PLACE,
    PROJECTION,
    Headers,
    Series,
    Slice,
    check_series,
    digest_of_uid,
    quiet,
    read_header,
    read_headers,
    readable,
    referenced_series,
    rejection,
)
from workflow.liverseg.findings import Finding, Rejection, reject, repair, warn
from workflow.liverseg.images import Image

AIR_HU = -1024


@dataclass(frozen=True)
class Imported:
    """A volume that came in, what was chosen on the way, and what the user should know."""

    image: Image
    record: dict[str, Any]
    findings: tuple[Finding, ...]


def import_ct(files: Iterable[Path], label_files: Iterable[Path] = ()) -> Imported:
    """Read the CT of one patient out of a pile of DICOM files.

    `label_files` are SEG or RTSTRUCT objects; the series that they refer to is preferred.
    Voxels are int16 HU, (column, row, slice). Raises Rejection where no series is whole.
    """
    return import_headers(read_headers(files), label_files)


def import_headers(headers: Headers, label_files: Iterable[Path] = ()) -> Imported:
    """Read the CT of one patient out of files whose headers have been read; see `import_ct`."""
    label_files = list(label_files)
    wanted: set[str] = set()
    for path in (*headers.labels, *label_files):
        header = read_header(path)
        wanted |= referenced_series(header) if header is not None else set()
    check_persons(headers.slices)
    volumes = volumes_in(headers.slices)
    projections = headers.ignored.get(PROJECTION, 0)
    if projections and not volumes:
        raise _only_projections(projections)
    chosen = choose(volumes, frozenset(wanted))
    check_scale(chosen)
    series = check_series(chosen)
    hu, findings = read_hu(series.slices)
    findings += _said_of(headers, label_files)
    if projections:
        findings.append(_projections(projections, chosen))
    if len(volumes) > 1:
        findings.append(_several(chosen, len(volumes)))
    record = _record(headers, volumes, series, frozenset(wanted))
    return Imported(Image(hu, series.affine), record, tuple(findings))


def _said_of(headers: Headers, label_files: Sequence[Path]) -> list[Finding]:
    """What is odd about the pile of files, whatever is chosen from it."""
    findings = privacy.judge_places(headers.private, "ct")
    named = {path.resolve() for path in label_files}
    beside = sum(path.resolve() not in named for path in headers.labels)
    if beside:
        findings.append(_labels_beside(beside))
    if DAMAGED in headers.ignored:
        findings.append(_damaged(headers.ignored[DAMAGED]))
    if NO_PLACE in headers.ignored:
        findings.append(_without_place(headers.ignored[NO_PLACE]))
    return findings


def read_hu(slices: Sequence[Slice]) -> tuple[NDArray[np.int16], list[Finding]]:
    """Read the pixels of slices as int16 HU (column, row, slice), padding turned into air."""
    without = sum(one.slope is None or one.intercept is None for one in slices)
    if without:
        raise Rejection(
            reject(
                "dicom_no_rescale",
                "ct",
                found=f"{without} of {len(slices)} slices without rescale slope or intercept",
                expected="how stored values become HU, in every slice",
                remedy="export the original series, not a derived one",
            )
        )
    columns, rows = slices[0].size
    # The first slice is decoded before memory is taken: a false size fails there.
    pixels, path = read_pixels(slices[0].path), slices[0].path
    hu = np.empty((columns, rows, len(slices)), np.int16)
    padded = 0
    for k, one in enumerate(slices):
        if one.path != path:
            pixels, path = read_pixels(one.path), one.path
        plane = pixels[one.frame] if pixels.ndim == 3 else pixels
        if plane.shape != (rows, columns):
            raise _unreadable("pixels of another size than the header says")
        slope, intercept = one.slope or 0.0, one.intercept or 0.0
        values = np.rint(plane.astype(np.float64) * slope + intercept)
        if one.padding is not None:
            outside = plane == one.padding
            # A padding value may also be a true density, such as air itself.
            outside &= values < AIR_HU
            padded += int(outside.sum())
            values[outside] = AIR_HU
        hu[:, :, k] = np.clip(values, -32768, 32767).T
    findings = [_padding(padded, hu.size)] if padded else []
    return hu, findings


def read_pixels(path: Path, part: str = "ct") -> NDArray[Any]:
    """Decode the stored values of a file, whatever its transfer syntax.

    Shape (row, column) or (frame, row, column). Raises Rejection where they cannot be decoded;
    the decoder's own words are left out, since they may quote the header.
    """
    quiet()
    with readable(part, "pixels that cannot be decoded"):
        try:
            return np.asarray(pydicom.dcmread(path).pixel_array)
        except InvalidDicomError:
            raise _unreadable("a file that is no DICOM object any more") from None


def _unreadable(found: str) -> Rejection:
    return Rejection(
        reject(
            "dicom_unreadable",
            "ct",
            found=found,
            expected="whole slices in a transfer syntax of the standard",
            remedy="export the series again, best uncompressed",
        )
    )


def _padding(voxels: int, total: int) -> Finding:
    return repair(
        "dicom_padding",
        "ct",
        found=f"{100 * voxels / total:.1f} % of the voxels hold the padding value",
        expected="HU everywhere",
        remedy=f"they became air ({AIR_HU} HU)",
    )


def _damaged(count: int) -> Finding:
    return warn(
        "dicom_damaged",
        "ct",
        found=f"{count} files named like slices that are no DICOM objects",
        expected="DICOM objects",
        remedy="if they were slices at an end of the series, export it again",
    )


def _without_place(count: int) -> Finding:
    return warn(
        "dicom_no_place",
        "ct",
        found=f"{count} CT images without a position in space",
        expected="position, orientation and pixel spacing in every slice",
        remedy="if they belong to the series, export it again; they were left out",
    )


def _only_projections(count: int) -> Rejection:
    return rejection(
        "dicom_no_ct",
        f"no slice of a CT, but {count} images of a projection, such as a MIP",
        "a series of CT slices with position and orientation",
        "export the axial CT series that the projection was made of",
    )


def _projections(count: int, chosen: Sequence[Slice]) -> Finding:
    return warn(
        "dicom_projection",
        "ct",
        found=f"{count} images of a projection, such as a MIP",
        expected="the slices of a CT",
        remedy=f"nothing: they were left out; series {chosen[0].number} was taken "
        f"({len(chosen)} slices)",
    )


def _several(chosen: Sequence[Slice], count: int) -> Finding:
    return warn(
        "dicom_several",
        "ct",
        found=f"{count} volumes in the folder",
        expected="one CT series",
        remedy=f"series {chosen[0].number} was taken ({len(chosen)} slices); if that is wrong, "
        "leave only the right series in the folder",
    )


def _labels_beside(count: int) -> Finding:
    return warn(
        "dicom_label_beside",
        "ct",
        found=f"{count} SEG or RTSTRUCT files among the slices",
        expected="labels named in the label column",
        remedy="to use one as the label, give its path in the label column of the table",
    )


def _record(
    headers: Headers, volumes: list[list[Slice]], series: Series, wanted: frozenset[str]
) -> dict[str, Any]:
    first = series.slices[0]
    spacing = np.linalg.norm(series.affine[:3, :3], axis=0)
    others = [v for v in volumes if v[0] not in series.slices]
    return {
        "format": "DICOM",
        "series": {
            "number": first.number,
            "acquisition": first.acquisition,
            "digest": digest_of_uid(first.series),
            "slices": len(series.slices),
            "spacing_mm": [round(float(value), 4) for value in spacing],
            "chosen_because": "a label refers to it"
            if first.series in wanted
            else "the only one"
            if not others
            else "axial, of the scan itself, a soft kernel, the most slices, then the thinnest",
        },
        "other_series": [{"number": v[0].number, "slices": len(v)} for v in others],
        "ignored": headers.ignored,
    }
