"""DICOM objects made by code: CT series with their faults, SEG, RTSTRUCT."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    generate_uid,
)

PERSON = "Mustermann^Erika"
ROW, COLUMN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
Change = Callable[[Dataset, int], Dataset | None]


def hu_volume(size: tuple[int, int, int] = (12, 10, 6)) -> np.ndarray:
    """HU that tell every voxel from the next, within what 12 bits hold."""
    return (np.arange(np.prod(size)).reshape(size) % 2000 - 1000).astype(np.int16)


def new_dataset(sop_class: str, modality: str) -> Dataset:
    """An object with the tags that every object has, a person's among them."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Modality = modality
    dataset.PatientName = PERSON
    dataset.PatientID = PERSON
    dataset.SeriesDescription = PERSON
    return dataset


def ct_slice(
    hu: np.ndarray,
    *,
    series: str,
    position: Sequence[float],
    instance: int,
    spacing: tuple[float, float] = (0.8, 0.7),
    directions: Sequence[float] = (*ROW, *COLUMN),
    signed: bool = False,
) -> Dataset:
    """One slice of a CT from HU (row, column); `spacing` is that of rows, then of columns."""
    dataset = new_dataset(CTImageStorage, "CT")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SeriesInstanceUID = series
    dataset.SeriesNumber = 3
    dataset.AcquisitionNumber = 1
    dataset.InstanceNumber = instance
    dataset.ImagePositionPatient = [f"{value:.6g}" for value in position]
    dataset.ImageOrientationPatient = [f"{value:.6g}" for value in directions]
    dataset.PixelSpacing = list(spacing)
    dataset.SliceThickness = 5
    dataset.Rows, dataset.Columns = hu.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16 if signed else 12
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(signed)
    dataset.RescaleSlope = 1
    dataset.RescaleIntercept = 0 if signed else -1024
    stored = hu if signed else (hu.astype(np.int32) + 1024).astype(np.uint16)
    dataset.PixelData = np.ascontiguousarray(stored).tobytes()
    return dataset


def write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    series: str | None = None,
    step: Sequence[float] = (0.0, 0.0, 2.5),
    origin: Sequence[float] = (-11.0, 22.0, -33.0),
    directions: Sequence[float] = (*ROW, *COLUMN),
    signed: bool = False,
    syntax: str | None = None,
    change: Change | None = None,
    prefix: str = "",
) -> list[Path]:
    """Write HU (column, row, slice) as a series whose file names say nothing about the order.

    `change` may edit a slice, or return None to leave it out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid()
    paths = []
    for k in range(hu.shape[2]):
        dataset: Dataset | None = ct_slice(
            hu[:, :, k].T,
            series=series,
            position=np.add(origin, np.multiply(step, k)),
            instance=k + 1,
            directions=directions,
            signed=signed,
        )
        if change is not None and dataset is not None:
            dataset = change(dataset, k)
        if dataset is None:
            continue
        if syntax is not None:
            dataset.compress(syntax)
        path = folder / f"{prefix}{(k * 7 + 3) % hu.shape[2]:02d}-{k:02d}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def write_other(path: Path, sop_class: str = SecondaryCaptureImageStorage) -> Path:
    """Write something that is no CT: a dose page."""
    dataset = new_dataset(sop_class, "OT")
    dataset.SeriesInstanceUID = generate_uid()
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_seg(
    path: Path,
    masks: dict[str, np.ndarray],
    *,
    series: str,
    origin: Sequence[float],
    step_mm: float = 2.5,
    spacing: tuple[float, float] = (0.8, 0.7),
    fractional: bool = False,
) -> Path:
    """Write masks (column, row, slice) by segment label as a SEG whose frames are shuffled."""
    dataset = new_dataset(SegmentationStorage, "SEG")
    dataset.SeriesInstanceUID = generate_uid()
    dataset.ReferencedSeriesSequence = Items([_item(SeriesInstanceUID=series)])
    dataset.SegmentationType = "FRACTIONAL" if fractional else "BINARY"
    dataset.SegmentSequence = Items(
        [_item(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(masks, start=1)]
    )
    plane = _item(
        PlaneOrientationSequence=Items([_item(ImageOrientationPatient=[*ROW, *COLUMN])]),
        PixelMeasuresSequence=Items([_item(PixelSpacing=list(spacing), SliceThickness=step_mm)]),
    )
    dataset.SharedFunctionalGroupsSequence = Items([plane])
    frames, planes = [], []
    for number, mask in enumerate(masks.values(), start=1):
        for k in reversed(range(mask.shape[2])):
            if not mask[:, :, k].any():
                continue
            planes.append(mask[:, :, k].T)
            position = [origin[0], origin[1], origin[2] + k * step_mm]
            frames.append(
                _item(
                    PlanePositionSequence=Items([_item(ImagePositionPatient=position)]),
                    SegmentIdentificationSequence=Items([_item(ReferencedSegmentNumber=number)]),
                )
            )
    dataset.PerFrameFunctionalGroupsSequence = Items(frames)
    _set_seg_pixels(dataset, np.array(planes, np.uint8), fractional)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _set_seg_pixels(dataset: Dataset, stack: np.ndarray, fractional: bool) -> None:
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stack.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelRepresentation = 0
    if fractional:
        dataset.MaximumFractionalValue = 200
        dataset.BitsAllocated = dataset.BitsStored = 8
        content = (stack * 150).tobytes()
    else:
        dataset.BitsAllocated = dataset.BitsStored = 1
        content = np.packbits(stack.ravel(), bitorder="little").tobytes()
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelData = content + b"\0" * (len(content) % 2)


def write_rtstruct(
    path: Path, contours: dict[str, list[np.ndarray]], *, series: str | None = None
) -> Path:
    """Write closed contours, each (n, 3) in LPS mm, by the name of their region."""
    dataset = new_dataset(RTStructureSetStorage, "RTSTRUCT")
    dataset.SeriesInstanceUID = generate_uid()
    if series is not None:
        study = _item(RTReferencedSeriesSequence=Items([_item(SeriesInstanceUID=series)]))
        frame = _item(RTReferencedStudySequence=Items([study]))
        dataset.ReferencedFrameOfReferenceSequence = Items([frame])
    dataset.StructureSetROISequence = Items(
        [_item(ROINumber=n, ROIName=name) for n, name in enumerate(contours, start=1)]
    )
    dataset.ROIContourSequence = Items(
        [
            _item(
                ReferencedROINumber=n,
                ContourSequence=Items(
                    [
                        _item(
                            ContourGeometricType="CLOSED_PLANAR",
                            NumberOfContourPoints=len(points),
                            ContourData=[f"{value:.6f}" for value in points.ravel()],
                        )
                        for points in drawn
                    ]
                ),
            )
            for n, drawn in enumerate(contours.values(), start=1)
        ]
    )
    dataset.save_as(path, enforce_file_format=True)
    return path


def _item(**values: object) -> Dataset:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return item


def write_enhanced(path: Path, hu: np.ndarray, *, origin: Sequence[float], step_mm: float) -> Path:
    """Write HU (column, row, slice) as one multi-frame object, its frames in reverse."""
    dataset = ct_slice(hu[:, :, 0].T, series=generate_uid(), position=origin, instance=1)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    shared = _item(
        PlaneOrientationSequence=Items(
            [_item(ImageOrientationPatient=dataset.ImageOrientationPatient)]
        ),
        PixelMeasuresSequence=Items([_item(PixelSpacing=dataset.PixelSpacing)]),
        PixelValueTransformationSequence=Items([_item(RescaleSlope=1, RescaleIntercept=-1024)]),
    )
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                 "RescaleSlope", "RescaleIntercept"):  # fmt: skip
        delattr(dataset, name)
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    order = list(reversed(range(hu.shape[2])))
    places = [[origin[0], origin[1], origin[2] + k * step_mm] for k in order]
    dataset.PerFrameFunctionalGroupsSequence = Items(
        [
            _item(PlanePositionSequence=Items([_item(ImagePositionPatient=place)]))
            for place in places
        ]
    )
    dataset.NumberOfFrames = hu.shape[2]
    stack = (hu[:, :, order].transpose(2, 1, 0).astype(np.int32) + 1024).astype(np.uint16)
    dataset.PixelData = np.ascontiguousarray(stack).tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path
