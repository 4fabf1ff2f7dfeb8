"""DICOM SEG: the mask beside its CT in the archive that the CT came from.

By its nature such a file names its patient and study as the CT does: it is for the place where
the CT lies, not for passing on.
"""

import hashlib
import warnings
from collections import defaultdict
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
from workflow.liverseg.dicom_series import kind_of
from workflow.liverseg.errors import fault
from workflow.liverseg.files import whole
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
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def write_dicom_seg(
    path: Path,
    regions: Mapping[str, np.ndarray],
    affine: np.ndarray,
    sources: Sequence[Path],
    *,
    model: str,
    patient: str,
) -> None:
    """Write boolean regions (i, j, k) as one DICOM SEG with a segment a region, whole.

    `sources` are the files that the CT was imported from, of one series or several: the images
    are those whose pixels fall on the mask's voxels. Segments bear SNOMED CT codes and may
    overlap. UIDs are a function of the images and the mask. LiversegError if the images are not
    single-frame CT images on the mask's grid.
    """
    with warnings.catch_warnings():
        # Warnings of the libraries quote the values they doubt: names of patients, in a log.
        warnings.simplefilter("ignore")
        images, frames = matching_images(sources, regions, affine, patient=patient)
        segmentation = _segmentation(images, frames, tuple(regions), model)
    with whole(path) as temporary:
        segmentation.save_as(temporary)


def _segmentation(
    images: list[pydicom.Dataset], frames: np.ndarray, names: tuple[str, ...], model: str
) -> Segmentation:
    seeds = [images[0].SeriesInstanceUID, model, hashlib.sha256(frames.tobytes()).hexdigest()]
    return Segmentation(
        source_images=images,
        pixel_array=frames,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_describe(n, name, model) for n, name in enumerate(names, 1)],
        series_instance_uid=generate_uid(entropy_srcs=[*seeds, "series"]),
        series_number=9000,
        sop_instance_uid=generate_uid(entropy_srcs=[*seeds, "instance"]),
        instance_number=1,
        manufacturer="liverseg",
        manufacturer_model_name="liverseg",
        software_versions="1",
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
) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """The CT images of one series that cover the mask's grid, in order, and the mask on each."""
    series: defaultdict[str, list[pydicom.Dataset]] = defaultdict(list)
    for source in sources:
        image = pydicom.dcmread(source, stop_before_pixels=True, force=True)
        if kind_of(image) == CT_IMAGE and "ImagePositionPatient" in image:
            complete(image, patient=patient)
            series[image.SeriesInstanceUID].append(image)
    voxels = next(iter(regions.values())).size
    for images in series.values():
        shape = (int(images[0].Rows), int(images[0].Columns))
        if len(images) * shape[0] * shape[1] != voxels:
            continue
        images = sorted(images, key=_along_normal)
        frames = frames_on(regions, affine, [plane_of(image) for image in images], shape)
        if frames is not None:
            return images, frames
    raise fault(
        patient=patient,
        expected="one series of single-frame CT images on the grid of the mask",
        found=f"{len(series)} series, none of which covers it",
        remedy="leave this patient out of the DICOM SEG export; mask.seg.nrrd holds the same mask",
    )


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


def plane_of(image: pydicom.Dataset) -> np.ndarray:
    """Matrix (4, 4) of a DICOM image from (column, row, 0, 1) to LPS mm (PS3.3 C.7.6.2.1.1)."""
    orientation = np.array(image.ImageOrientationPatient, dtype=np.float64)
    row_step, column_step = (float(step) for step in image.PixelSpacing)
    plane = np.eye(4)
    plane[:3, 0] = orientation[:3] * column_step
    plane[:3, 1] = orientation[3:] * row_step
    plane[:3, 3] = [float(part) for part in image.ImagePositionPatient]
    return plane


def _along_normal(image: pydicom.Dataset) -> float:
    orientation = np.array(image.ImageOrientationPatient, dtype=np.float64)
    position = np.array(image.ImagePositionPatient, dtype=np.float64)
    return float(np.cross(orientation[:3], orientation[3:]) @ position)


def _describe(number: int, name: str, model: str) -> SegmentDescription:
    segment = coded(name)
    return SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=_concept(segment.category),
        segmented_property_type=_concept(segment.kind),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=f"liverseg {model}"[:64],
            version="1",
            family=CodedConcept("123110", "DCM", "Artificial Intelligence"),
        ),
        tracking_uid=generate_uid(entropy_srcs=[name, model]),
        tracking_id=name,
        display_color=highdicom.color.CIELabColor.from_rgb(*rgb(region_colour(number - 1))),
    )


def _concept(term: Term) -> CodedConcept:
    return CodedConcept(term.code, "SCT", term.meaning)
