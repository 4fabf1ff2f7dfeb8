"""DICOM headers: which slices belong to one series, in which order, and on which grid.

What is said about a series is its number and its counts, never a text of its headers. Of a person
only is kept that a header names one, and a digest, to tell two of them apart.
"""

import contextlib
import hashlib
import logging
import re
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError

from workflow.liverseg.dicom_persons import Identity, identity_of
from workflow.liverseg.findings import Rejection, reject

CT_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.2.1",
    "1.2.840.10008.5.1.4.1.1.2.2",
}
SEG_CLASSES = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber",
    "Modality", "ImageType", "Rows", "Columns", "NumberOfFrames", "ImagePositionPatient",
    "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept",
    "PixelPaddingValue", "PixelRepresentation", "BitsStored", "SamplesPerPixel",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "InstanceNumber",
    "PhotometricInterpretation", "PatientID", "StudyInstanceUID", "ReferencedSeriesSequence",
    "ReferencedFrameOfReferenceSequence", "RescaleType", "ConvolutionKernel", "PatientName",
    "PatientBirthDate", "PatientIdentityRemoved",
]  # fmt: skip
# What a damaged object makes its reader and the decoders raise; InvalidDicomError, which says that
# a file is no DICOM object at all, is none of these.
BROKEN = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError,
    MemoryError, RuntimeError, TypeError, ValueError, struct.error, zlib.error,
    BytesLengthException,
)  # fmt: skip
DAMAGED = "named like a slice, but no DICOM object"
NO_PLACE = "CT image without a position in space"
SHEAR_DEGREES = 0.5
STEP_TOLERANCE = 0.1
# Part of a voxel that a slice may lie off its place on the line from the first to the last: what is
# measured on masks is no finer. Positions written with one decimal stay below 0.1 mm.
SHIFT_TOLERANCE, SHIFT_TOLERANCE_MM = 0.25, 0.1
# Words of ImageType, or parts of them as in "CT_SOM5 MIP": those of the standard and of vendors.
PROJECTIONS = {
    "MIP", "MINIP", "MAXIP", "MAX_IP", "MIN_IP", "MAXIMUM", "MINIMUM", "STD_DEVIATION",
    "PROJECTION", "VRT", "VOLUME RENDERING", "VOLUME_RENDER", "SURFACE_RENDER", "CURVED_MPR",
}  # fmt: skip
PROJECTION = "projection, such as a MIP"


@dataclass(frozen=True)
class Slice:
    """One slice of a CT: where it lies (mm, LPS) and how its stored values become HU.

    `row` and `column` are the directions in which the column and the row index grow;
    `spacing_mm` the distance of columns, then of rows. `slope` is None where the file has none.
    `scale` is the type of what the rescale gives ("" and "HU" are HU), `person_id` and
    `person_name` digests of whose slice it is, None where the file does not say; `identity` is
    what tells the person in other folders, too. `derived`: it was computed from other images.
    """

    path: Path
    frame: int
    series: str
    number: int
    acquisition: int
    instance: int
    size: tuple[int, int]
    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing_mm: tuple[float, float]
    slope: float | None
    intercept: float | None
    padding: int | None
    scale: str
    kernel: str
    person_id: str | None
    person_name: str | None
    identity: Identity
    derived: bool = False

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice (LPS)."""
        return np.cross(self.row, self.column)

    @property
    def height_mm(self) -> float:
        """Position along the normal."""
        return float(self.normal @ np.asarray(self.position))


@dataclass(frozen=True)
class Series:
    """Slices of one volume, ordered along their normal, and the affine of index to RAS mm."""

    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]


@dataclass(frozen=True)
class Headers:
    """What a pile of files holds: CT slices, label objects, and how many of what was ignored.

    `private` says where a person's name or date of birth stands.
    """

    slices: tuple[Slice, ...]
    labels: tuple[Path, ...]
    ignored: dict[str, int]
    private: tuple[str, ...]


def quiet() -> None:
    """Keep the DICOM reader from printing values of tags, which may be names, into the log."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def digest_of_uid(uid: str) -> str | None:
    """A short digest for an identifier that would lead back to the hospital; None for none."""
    return None if not uid else hashlib.sha256(str(uid).encode()).hexdigest()[:16]


@contextlib.contextmanager
def readable(part: str, found: str) -> Iterator[None]:
    """Turn what reading a damaged DICOM object raises into a Rejection of `part`.

    The reader's own words, warnings too, are left out, since they may quote the header.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*BROKEN, OSError) as error:
        # What the system refuses has a number; pydicom raises OSError for bytes that make no sense.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Rejection(
            reject(
                "dicom_unreadable" if part == "ct" else "label_unreadable",
                part,
                found=f"{found} ({type(error).__name__})",
                expected="whole DICOM objects",
                remedy="export them again, best uncompressed",
            )
        ) from None


def read_header(path: Path) -> pydicom.Dataset | None:
    """Read the tags that matter; None where the file is no DICOM object."""
    try:
        with readable("ct", "a header that cannot be read"):
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
            return found if kind_of(found) else None
    except InvalidDicomError:
        return None


def kind_of(header: pydicom.Dataset) -> str:
    """Return the SOP class; where a pseudonymiser emptied it, what the file's preamble says.

    An object with neither that calls itself a CT is taken for a plain CT image.
    """
    kind = str(header.get("SOPClassUID") or "")
    kind = kind or str(header.file_meta.get("MediaStorageSOPClassUID") or "")
    if not kind and str(header.get("Modality") or "") == "CT":
        kind = "1.2.840.10008.5.1.4.1.1.2"
    return kind


def read_headers(files: Iterable[Path]) -> Headers:
    """Sort files into slices of CTs, label objects, and what is ignored (counted by kind)."""
    quiet()
    slices: list[Slice] = []
    labels: list[Path] = []
    strange: list[Path] = []
    ignored: Counter[str] = Counter()
    private: set[str] = set()
    for path in sorted(files):
        header = read_header(path)
        if header is None:
            strange.append(path)
            continue
        with readable("ct", "a header that makes no sense"):
            kind = kind_of(header)
            private |= private_places(path, header)
            if kind in SEG_CLASSES or kind == RTSTRUCT_CLASS:
                labels.append(path)
            elif kind not in CT_CLASSES:
                ignored["no CT: dose page, capture, report or another modality"] += 1
            elif view := other_view(header):
                ignored[view] += 1
            else:
                found = slices_of(path, header)
                slices += found
                ignored[NO_PLACE] += len(_frames(header)) - len(found)
    usual = {".dcm", *(_suffix(one.path) for one in slices)}
    ignored.update(DAMAGED if _suffix(path) in usual else "no DICOM image" for path in strange)
    ignored = +ignored
    return Headers(
        tuple(slices), tuple(labels), dict(sorted(ignored.items())), tuple(sorted(private))
    )


def other_view(header: pydicom.Dataset) -> str:
    """Say what a CT image is that no volume holds: a scout, a projection; empty for a slice."""
    words = _image_type(header)
    if "LOCALIZER" in words:
        return "localiser"
    parts = {part for word in words for part in (word, *re.split(r"[ _]+", word))}
    return PROJECTION if PROJECTIONS & parts else ""


def _image_type(header: pydicom.Dataset) -> list[str]:
    """The words of ImageType, upper case; a dataset of frames has the first frame's as well."""
    types = [header.get("ImageType") or ()]
    types += [
        kind.get("FrameType") or ()
        for source in _frames(header)[0]
        for kind in source.get("CTImageFrameTypeSequence") or ()
    ]
    return [str(word).upper() for words in types for word in words]


def _suffix(path: Path) -> str:
    """Return how a name ends; all numbers, as names that are UIDs end in, are alike."""
    suffix = path.suffix.lower()
    return ".0" if suffix[1:].isdigit() else suffix


def private_places(path: Path, header: pydicom.Dataset) -> set[str]:
    """Say where a file tells a person's name or date of birth, never what it says."""
    if str(header.get("PatientIdentityRemoved") or "").upper() == "YES":
        return set()
    name = str(header.get("PatientName") or "").strip("^ ")
    name = "" if name.casefold().startswith("anon") else name
    # ASSUME what is shorter than four letters stands in the name of a file by chance.
    words = [word for word in re.split(r"[^\w]+|_", name.casefold()) if len(word) > 3]
    place = "/".join(path.parts[-3:]).casefold()
    found = {
        "the tag PatientName": bool(name),
        "the tag PatientBirthDate": bool(str(header.get("PatientBirthDate") or "").strip()),
        "the name of a file or folder": any(word in place for word in words),
    }
    return {where for where, told in found.items() if told}


def slices_of(path: Path, header: pydicom.Dataset) -> list[Slice]:
    """Return the slices of one file: one, or one a frame; none where it has no place in space."""
    found = []
    for number, sources in enumerate(_frames(header)):
        position = _value(sources, "PlanePositionSequence", "ImagePositionPatient")
        directions = _value(sources, "PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = _value(sources, "PixelMeasuresSequence", "PixelSpacing")
        if position is None or directions is None or spacing is None:
            continue
        found.append(
            _slice(path, number, header, sources, [_floats(position), _floats(directions),
                                                   _floats(spacing)])
        )  # fmt: skip
    return found


def _frames(header: pydicom.Dataset) -> list[list[Any]]:
    """List, for each frame of a file, where its tags may stand, the nearest first."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return [[header]]
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])
    return [[frame, *shared, header] for frame in frames]


def _slice(
    path: Path, frame: int, header: pydicom.Dataset, sources: list[Any], geometry: list[list[float]]
) -> Slice:
    (x, y, z), directions, (between_rows, between_columns) = geometry
    slope = _value(sources, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _value(sources, "PixelValueTransformationSequence", "RescaleIntercept")
    padding = header.get("PixelPaddingValue")
    return Slice(
        path=path,
        frame=frame,
        series=str(header.get("SeriesInstanceUID", "")),
        number=_integer(header.get("SeriesNumber")),
        acquisition=_integer(header.get("AcquisitionNumber")),
        instance=_integer(header.get("InstanceNumber")),
        size=(int(header.Columns), int(header.Rows)),
        position=(x, y, z),
        row=(directions[0], directions[1], directions[2]),
        column=(directions[3], directions[4], directions[5]),
        spacing_mm=(between_columns, between_rows),
        slope=None if slope is None else float(slope),
        intercept=None if intercept is None else float(intercept),
        padding=padding if isinstance(padding, int) else None,
        scale=str(_value(sources, "PixelValueTransformationSequence", "RescaleType") or "").upper(),
        kernel=_kernel(sources),
        person_id=digest_of_uid(str(header.get("PatientID") or "").strip()),
        person_name=digest_of_uid(str(header.get("PatientName") or "").strip()),
        identity=identity_of(header),
        derived="DERIVED" in _image_type(header)[:1],
    )


def _kernel(sources: Sequence[Any]) -> str:
    value = _value(sources, "CTReconstructionSequence", "ConvolutionKernel") or ""
    return str(value if isinstance(value, str) else next(iter(value), "")).upper()


def _value(sources: Sequence[Any], group: str, name: str) -> Any:
    """Look a tag up in the frame, in what all frames share, and in the header itself."""
    for source in sources:
        for holder in (*(source.get(group) or ()), source):
            value = holder.get(name)
            if value is not None and value != "":
                return value
    return None


def _floats(values: Any) -> list[float]:
    return [float(value) for value in values]


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def check_series(slices: Sequence[Slice]) -> Series:
    """Check that ordered slices make one regular grid, and build its affine.

    Raises Rejection that names what is missing, doubled, uneven or tilted.
    """
    if len(slices) < 2:
        raise rejection("dicom_too_few", "a series of 1 slice", "at least 2 slices",
                         "export the whole series")  # fmt: skip
    spacings = {tuple(np.round(one.spacing_mm, 4)) for one in slices}
    if len(spacings) > 1 or not min(min(pair) for pair in spacings) > 0:
        raise rejection("dicom_spacing", f"{len(spacings)} different pixel spacings, or one of 0",
                         "one pixel spacing above 0 in all slices",
                         "export one reconstruction only")  # fmt: skip
    _check_directions(slices)
    _check_steps(slices)
    _check_tilt(slices)
    _check_line(slices)
    first, last = slices[0], slices[-1]
    step = (np.subtract(last.position, first.position)) / (len(slices) - 1)
    lps = np.eye(4)
    lps[:3, 0] = np.asarray(first.row) * first.spacing_mm[0]
    lps[:3, 1] = np.asarray(first.column) * first.spacing_mm[1]
    lps[:3, 2] = step
    lps[:3, 3] = first.position
    # DICOM counts to the left and to the back, NIfTI to the right and to the front.
    return Series(tuple(slices), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)


def _check_directions(slices: Sequence[Slice]) -> None:
    places = np.array([[*one.position, *one.row, *one.column] for one in slices])
    rows, columns = places[:, 3:6], places[:, 6:]
    units = np.abs(np.linalg.norm([rows, columns], axis=2) - 1).max()
    across = np.abs((rows * columns).sum(axis=1)).max()
    if not np.isfinite(places).all() or units > 0.01 or across > 0.01:
        raise rejection(
            "dicom_directions",
            "positions or directions that are no numbers, or not at right angles",
            "two unit vectors at right angles in every slice",
            "export the series again",
        )


def _check_steps(slices: Sequence[Slice]) -> None:
    heights = np.array([one.height_mm for one in slices])
    steps = np.diff(heights)
    # The lower median: of two distances, one of which has a gap, the smaller is the usual one.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    doubled = np.flatnonzero(steps < max(0.01, STEP_TOLERANCE * usual))
    if len(doubled):
        pairs = [f"{slices[i].instance} and {slices[i + 1].instance}" for i in doubled[:5]]
        raise rejection(
            "dicom_double",
            f"{len(doubled)} slices twice at one place: instances {'; '.join(pairs)}",
            "one slice at each place",
            "remove the doubles, or export one reconstruction only",
        )
    gaps = np.flatnonzero(steps > 1.5 * usual)
    if len(gaps):
        places = [
            f"{round(float(steps[i] / usual)) - 1} between {heights[i]:.2f} and "
            f"{heights[i + 1]:.2f} mm (instances {slices[i].instance}, {slices[i + 1].instance})"
            for i in gaps[:5]
        ]
        raise rejection(
            "dicom_gap",
            f"slices missing: {'; '.join(places)}",
            f"a slice every {usual:.2f} mm",
            "export the whole series again",
        )
    # Small differences may add up, as where two parts of a scan have distances of their own.
    off_mm = np.abs(heights - np.linspace(heights[0], heights[-1], len(heights))).max()
    uneven = np.abs(steps - usual).max() > max(0.02, STEP_TOLERANCE * usual)
    if uneven or off_mm > max(SHIFT_TOLERANCE_MM, SHIFT_TOLERANCE * usual):
        raise rejection(
            "dicom_uneven",
            f"distances of slices from {steps.min():.2f} to {steps.max():.2f} mm",
            f"a slice every {usual:.2f} mm",
            "export a reconstruction with even distances",
        )


def _check_line(slices: Sequence[Slice]) -> None:
    """Refuse slices that lie beside the line from the first to the last: one affine says all."""
    positions = np.array([one.position for one in slices])
    line = np.linspace(positions[0], positions[-1], len(slices))
    off = positions - line
    beside = np.linalg.norm(off - np.outer(off @ slices[0].normal, slices[0].normal), axis=1)
    allowed = max(SHIFT_TOLERANCE_MM, SHIFT_TOLERANCE * min(slices[0].spacing_mm))
    if shifted := np.flatnonzero(beside > allowed).tolist():
        names = ", ".join(str(slices[i].instance) for i in shifted[:5])
        raise rejection(
            "dicom_shifted",
            f"{len(shifted)} slices up to {beside.max():.1f} mm beside the line from the first to "
            f"the last (instances {names}{', …' if len(shifted) > 5 else ''})",
            f"slices on one straight line, within {allowed:.2f} mm",
            "export the series again, one reconstruction only",
        )


def _check_tilt(slices: Sequence[Slice]) -> None:
    first, last = slices[0], slices[-1]
    way = np.subtract(last.position, first.position)
    cosine = abs(float(way @ first.normal)) / float(np.linalg.norm(way))
    degrees = float(np.degrees(np.arccos(min(1.0, cosine))))
    if degrees > SHEAR_DEGREES:
        raise rejection(
            "dicom_tilt",
            f"slices that are shifted against one another by {degrees:.1f}° (gantry tilt)",
            "slices stacked along their normal",
            "export a reconstruction without gantry tilt",
        )


def rejection(code: str, found: str, expected: str, remedy: str) -> Rejection:
    """Build the rejection of a series."""
    return Rejection(reject(code, "ct", found=found, expected=expected, remedy=remedy))


def referenced_series(label: pydicom.Dataset) -> set[str]:
    """Return the UIDs of the image series that a SEG or an RTSTRUCT says it was drawn on."""
    found = {str(one.SeriesInstanceUID) for one in label.get("ReferencedSeriesSequence") or ()}
    for frame in label.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            for one in study.get("RTReferencedSeriesSequence") or ():
                found.add(str(one.SeriesInstanceUID))
    return found
