"""DICOM SEG: the mask beside its CT in the archive that the CT came from.

By its nature such a file names its patient and study as the CT does: it is for the place where
the CT lies, not for passing on. One without these names says whose it is by UIDs alone.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom
import numpy as np
import pydicom
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from highdicom.sr import CodedConcept
from pydicom.uid import generate_uid

from workflow.liverseg.colours import region_colour, rgb
from workflow.liverseg.dicom_choice import volumes_in
from workflow.liverseg.dicom_series import (
    CT_CLASSES,
    Slice,
    digest_of_uid,
    kind_of,
    other_view,
    readable,
    slices_of,
)
from workflow.liverseg.errors import fault
from workflow.liverseg.files import whole
from workflow.liverseg.findings import Rejection
from workflow.liverseg.release import RELEASE
from workflow.liverseg.segmentations import Term, coded, frames_on

EXPECTED_BUT_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# What an image says of itself and of its place; other groups tell of the patient and the visit.
TECHNICAL_GROUPS = (0x0018, 0x0020, 0x0028, 0x5200)
TECHNICAL = ("SOPClassUID", "SOPInstanceUID", "Modality", "ImageType")
Candidate = tuple[list[pydicom.Dataset], list[Slice]]
Origin = tuple[str | None, int]
"""Which volume it is, as the import's record tells: digest of its series, its acquisition."""


def write_dicom_seg(
    path: Path,
    regions: Mapping[str, np.ndarray],
    affine: np.ndarray,
    sources: Sequence[Path],
    *,
    model: str,
    patient: str,
    weights: Sequence[str] = (),
    named: bool = True,
    imported: Origin | None = None,
) -> None:
    """Write boolean regions (i, j, k) as one DICOM SEG with a segment a region, whole.

    `sources` are the files that the CT was imported from, of one series or several: the images
    are those whose pixels fall on the mask's voxels; of several volumes on one grid, as the phases
    of the contrast agent are, those of the `imported` one. Segments bear SNOMED CT codes and may
    overlap. `weights` are the SHA-256 digests of the model's files: with the release they say
    where the mask comes from. Not `named`: the patient is called `patient`, and nothing else of
    person and visit is taken over from the CT; UIDs still lead to it. UIDs are a function of the
    images, the mask and its origin. LiversegError if neither the images of a series nor the
    frames of one enhanced (multi-frame) CT are those of the mask's grid.
    """
    with warnings.catch_warnings():
        # Warnings of the libraries quote the values they doubt: names of patients, in a log.
        warnings.simplefilter("ignore")
        images, frames = matching_images(
            sources, regions, affine, patient=patient, imported=imported
        )
        if not named:
            images = [unnamed(image, patient=patient) for image in images]
        segmentation = _segmentation(images, frames, tuple(regions), model, weights)
    with whole(path) as temporary:
        segmentation.save_as(temporary)


def _segmentation(
    images: list[pydicom.Dataset],
    frames: np.ndarray,
    names: tuple[str, ...],
    model: str,
    weights: Sequence[str],
) -> Segmentation:
    series = images[0].SeriesInstanceUID
    seeds = [series, images[0].get("PatientID") or "", model, RELEASE, *weights]
    seeds.append(hashlib.sha256(frames.tobytes()).hexdigest())
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=f"liverseg {model}"[:64],
        version=RELEASE,
        family=CodedConcept("123110", "DCM", "Artificial Intelligence"),
        parameters={"weights SHA-256": " ".join(weights)} if weights else None,
    )
    return Segmentation(
        source_images=images,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _describe(number, name, algorithm, tracked=[series, name, model])
            for number, name in enumerate(names, 1)
        ],
        series_instance_uid=generate_uid(entropy_srcs=[*seeds, "series"]),
        series_number=9000,
        sop_instance_uid=generate_uid(entropy_srcs=[*seeds, "instance"]),
        instance_number=1,
        manufacturer="liverseg",
        manufacturer_model_name="liverseg",
        software_versions=RELEASE,
        device_serial_number="0",
        content_label="LIVERSEG",
        content_description="predicted by a neural network; research use only",
        series_description=f"liverseg {model}"[:64],
        omit_empty_frames=bool(frames.any()),
    )


def matching_images(
    sources: Sequence[Path],
    regions: Mapping[str, np.ndarray],
    affine: np.ndarray,
    *,
    patient: str,
    imported: Origin | None,
) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """The CT images that cover the mask's grid, and the mask on each of their frames.

    They are those of one series, in order of place, or one multi-frame image, its frames as stored.
    """
    candidates = _candidates(sources, patient=patient, imported=imported)
    voxels = next(iter(regions.values())).size
    for images, slices in candidates:
        shape = (int(images[0].Rows), int(images[0].Columns))
        if len(slices) * shape[0] * shape[1] != voxels:
            continue
        frames = frames_on(regions, affine, [plane_of(one) for one in slices], shape)
        if frames is not None:
            return images, frames
    raise fault(
        patient=patient,
        expected="one series of CT images, or all frames of one multi-frame CT, on the mask's grid",
        found=f"{len(candidates)} series or multi-frame images, none of which covers it",
        remedy="set `dicom.seg: none`; mask.seg.nrrd holds the same mask",
    )


def _candidates(
    sources: Sequence[Path], *, patient: str, imported: Origin | None
) -> list[Candidate]:
    """The images that might be those of the mask, with the slices that they hold.

    They are sorted into volumes as the import sorts them; the volume that it chose comes first.
    """
    single: dict[Path, pydicom.Dataset] = {}
    slices: list[Slice] = []
    several: list[Candidate] = []
    for source in sources:
        image = pydicom.dcmread(source, stop_before_pixels=True, force=True)
        if kind_of(image) not in CT_CLASSES or other_view(image):
            continue
        try:
            with readable("ct", "a header that makes no sense"):
                found = slices_of(source, image)
        except Rejection:
            continue  # no image of this mask: the import has read those
        complete(image, patient=patient)
        if "PerFrameFunctionalGroupsSequence" in image:
            several.append(([image], found))
        else:
            single[source] = image
            slices += found
    volumes = [([single[one.path] for one in volume], volume) for volume in volumes_in(slices)]
    return sorted(volumes + several, key=lambda candidate: _origin_of(candidate) != imported)


def _origin_of(candidate: Candidate) -> Origin | None:
    """Which volume the images are of, as the import's record names it."""
    first = next(iter(candidate[1]), None)
    return None if first is None else (digest_of_uid(first.series), first.acquisition)


def complete(image: pydicom.Dataset, *, patient: str) -> None:
    """Fill in the identifiers that a pseudonymiser emptied and that a SEG must name.

    The instance's own are in the file's preamble; those of series, study and frame of reference
    are made up, the same for all images of the patient, so that the SEG is valid but lies in a
    study of its own.
    """
    image.SOPClassUID = kind_of(image)
    if not image.get("SOPInstanceUID"):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        if not image.get(name):
            setattr(image, name, generate_uid(entropy_srcs=["liverseg", patient, name]))
    if not image.get("SpecificCharacterSet", True):
        del image.SpecificCharacterSet
    for name in EXPECTED_BUT_MAY_BE_EMPTY:
        if name not in image:
            setattr(image, name, None)


def unnamed(image: pydicom.Dataset, *, patient: str) -> pydicom.Dataset:
    """What a SEG needs of a CT image, without person and visit: the patient is `patient`."""
    kept = pydicom.Dataset()
    kept.file_meta = image.file_meta
    for element in image:
        if element.tag.group in TECHNICAL_GROUPS or element.keyword in TECHNICAL:
            kept.add(element)
    for name in EXPECTED_BUT_MAY_BE_EMPTY:
        setattr(kept, name, None)
    kept.PatientID = patient
    return kept


def plane_of(one: Slice) -> np.ndarray:
    """Matrix (4, 4) of a slice from (column, row, 0, 1) to LPS mm (PS3.3 C.7.6.2.1.1)."""
    plane = np.eye(4)
    plane[:3, 0] = np.array(one.row) * one.spacing_mm[0]
    plane[:3, 1] = np.array(one.column) * one.spacing_mm[1]
    plane[:3, 3] = one.position
    return plane


def _describe(
    number: int,
    name: str,
    algorithm: highdicom.AlgorithmIdentificationSequence,
    *,
    tracked: Sequence[str],
) -> SegmentDescription:
    """One segment; its tracking UID is the same in each SEG of what `tracked` names."""
    segment = coded(name)
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=_concept(segment.category),
        segmented_property_type=_concept(segment.kind),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=generate_uid(entropy_srcs=[*tracked, "tracking"]),
        tracking_id=name,
        anatomic_regions=[_concept(segment.place)] if segment.place else None,
        display_color=highdicom.color.CIELabColor.from_rgb(*rgb(region_colour(number - 1))),
    )


def _concept(term: Term) -> CodedConcept:
    return CodedConcept(term.code, "SCT", term.meaning)
