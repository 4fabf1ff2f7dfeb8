"""Segmentation files, read back by readers that did not write them."""

from pathlib import Path

import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK
import yaml
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.dicom_files import write_enhanced
from workflow.liverseg.dicom_seg import write_dicom_seg
from workflow.liverseg.dicom_series import digest_of_uid
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.release import RELEASE
from workflow.liverseg.segmentations import coded, write_seg_nrrd

SPACING_MM, ORIGIN_LPS = (0.8, 0.9, 2.5), (-20.0, 15.0, 300.0)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """A liver (i, j, k) without symmetry and the affine (RAS mm) of an LPS grid."""
    liver = np.zeros((14, 12, 6), dtype=bool)
    liver[2:9, 3:5, 1:4] = liver[2, 3:10, 2] = True
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = -ORIGIN_LPS[0], -ORIGIN_LPS[1], ORIGIN_LPS[2]
    return liver, affine


def ct_series(folder: Path, n: int = 6) -> list[Path]:
    """Single-frame CT images of `grid`, their order in the folder not that of the slices."""
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    paths = []
    for k in range(n):
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CTImageStorage
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.SeriesInstanceUID, image.StudyInstanceUID = series, study
        image.FrameOfReferenceUID, image.Modality, image.PatientID = frame, "CT", "X1"
        for name in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber",
                     "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName",
                     "PositionReferenceIndicator", "Laterality"):  # fmt: skip
            setattr(image, name, "")
        image.SeriesNumber, image.InstanceNumber = 1, k + 1
        image.Rows, image.Columns, image.PixelSpacing = 12, 14, [SPACING_MM[1], SPACING_MM[0]]
        image.SliceThickness = SPACING_MM[2]
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [*ORIGIN_LPS[:2], ORIGIN_LPS[2] + k * SPACING_MM[2]]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
        image.PixelRepresentation, image.PixelData = 1, bytes(2 * 12 * 14)
        paths.append(folder / f"{(k * 5) % 7}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return sorted(paths)


def test_itk_reads_a_seg_nrrd_on_the_masks_grid(tmp_path: Path):
    liver, affine = grid()
    write_seg_nrrd(tmp_path / "mask.seg.nrrd", {"liver": liver}, affine)
    image = SimpleITK.ReadImage(tmp_path / "mask.seg.nrrd")
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image).T, liver)
    np.testing.assert_allclose(image.GetSpacing(), SPACING_MM)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN_LPS)
    assert image.GetMetaData("Segment0_Name") == "liver"
    assert "SCT^10200004^Liver" in image.GetMetaData("Segment0_Tags")
    assert image.GetMetaData("Segment0_Extent") == "2 8 3 9 1 3"


def test_an_oblique_grid_keeps_its_directions(tmp_path: Path):
    liver, affine = grid()
    angle = np.radians(12)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)],
                     [0, np.sin(angle), np.cos(angle)]])  # fmt: skip
    affine[:3, :3] = turn @ affine[:3, :3]
    write_seg_nrrd(tmp_path / "mask.seg.nrrd", {"liver": liver}, affine)
    image = SimpleITK.ReadImage(tmp_path / "mask.seg.nrrd")
    place = image.TransformIndexToPhysicalPoint((3, 4, 5))
    expected = (affine @ [3, 4, 5, 1])[:3] * [-1, -1, 1]
    np.testing.assert_allclose(place, expected, atol=1e-6)


def test_regions_that_nest_have_layers_of_their_own(tmp_path: Path):
    liver, affine = grid()
    tumour = liver.copy()
    tumour[4:] = False
    write_seg_nrrd(tmp_path / "mask.seg.nrrd", {"liver": liver, "tumour": tumour}, affine)
    image = SimpleITK.ReadImage(tmp_path / "mask.seg.nrrd")
    layers = SimpleITK.GetArrayFromImage(image).transpose(3, 2, 1, 0)
    np.testing.assert_array_equal(layers, [liver, tumour])
    header = nrrd.read_header(str(tmp_path / "mask.seg.nrrd"))
    assert (header["Segment1_Layer"], header["Segment1_LabelValue"]) == ("1", "1")


def test_equal_masks_give_equal_bytes(tmp_path: Path):
    liver, affine = grid()
    for name in ("a.seg.nrrd", "b.seg.nrrd"):
        write_seg_nrrd(tmp_path / name, {"liver": liver}, affine)
    content = (tmp_path / "a.seg.nrrd").read_bytes()
    assert content == (tmp_path / "b.seg.nrrd").read_bytes()
    assert b"# on " not in content[:200]


@pytest.mark.parametrize(("region", "code"), [("Tumor", "108369006"), ("spleen", "85756007")])
def test_regions_are_coded_by_their_names(region: str, code: str):
    assert coded(region).kind.code == code


def seg_masks(path: Path) -> dict[str, np.ndarray]:
    """Segments (i, j, k) of a DICOM SEG, by pydicom alone: from the positions of the frames."""
    seg = pydicom.dcmread(path)
    pixels = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]  # where all frames are of one segment
    names = {int(item.SegmentNumber): item.SegmentLabel for item in seg.SegmentSequence}
    masks = {name: np.zeros((14, 12, 6), dtype=bool) for name in names.values()}
    for flat, frame in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        z = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        k = round((z - ORIGIN_LPS[2]) / SPACING_MM[2])
        holder = frame if "SegmentIdentificationSequence" in frame else shared
        number = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        masks[names[number]][:, :, k] = flat.T
    return masks


def test_a_dicom_seg_holds_the_mask_on_the_images_of_the_ct(tmp_path: Path):
    liver, affine = grid()
    tumour = liver.copy()
    tumour[4:] = False
    sources = ct_series(tmp_path)
    path = tmp_path / "out" / "mask.seg.dcm"
    write_dicom_seg(
        path, {"liver": liver, "tumour": tumour}, affine, sources, model="unet", patient="p"
    )
    masks = seg_masks(path)
    np.testing.assert_array_equal(masks["liver"], liver)
    np.testing.assert_array_equal(masks["tumour"], tumour)
    seg, image = pydicom.dcmread(path), pydicom.dcmread(sources[0])
    assert seg.FrameOfReferenceUID == image.FrameOfReferenceUID
    assert seg.PatientID == image.PatientID
    kinds = [item.SegmentedPropertyTypeCodeSequence[0] for item in seg.SegmentSequence]
    codes = [(kind.CodingSchemeDesignator, kind.CodeValue) for kind in kinds]
    assert codes == [("SCT", "10200004"), ("SCT", "108369006")]
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == image.SeriesInstanceUID


def seg_of(folder: Path, sources: list[Path], **changed: object) -> pydicom.Dataset:
    """The DICOM SEG of liver and tumour on the given images."""
    liver, affine = grid()
    regions, path = {"liver": liver, "tumour": liver & False}, folder / "seg.dcm"
    asked = {"model": "unet", "patient": "p", "weights": ["a" * 64]} | changed
    write_dicom_seg(path, regions, affine, sources, **asked)
    return pydicom.dcmread(path)


def test_segments_are_tracked_within_a_series_and_not_beyond(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = ct_series(tmp_path / "one"), ct_series(tmp_path / "two")
    first, again, other = (seg_of(tmp_path, sources) for sources in (one, one, two))
    uids = [[item.TrackingUID for item in seg.SegmentSequence] for seg in (first, again, other)]
    assert uids[0] == uids[1]
    assert len({*uids[0], *uids[2]}) == 4


def test_a_seg_says_which_release_and_weights_made_it(tmp_path: Path):
    sources = ct_series(tmp_path)
    seg = seg_of(tmp_path, sources)
    assert seg.SoftwareVersions == RELEASE
    algorithm = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmVersion == RELEASE
    assert "a" * 64 in algorithm.AlgorithmParameters
    # Other content never under the same UID.
    assert seg_of(tmp_path, sources, weights=["b" * 64]).SOPInstanceUID != seg.SOPInstanceUID
    assert seg_of(tmp_path, sources).SOPInstanceUID == seg.SOPInstanceUID


def test_the_release_is_that_of_the_citation():
    citation = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == RELEASE


def test_a_tumour_lies_in_the_liver(tmp_path: Path):
    liver, tumour = seg_of(tmp_path, ct_series(tmp_path)).SegmentSequence
    assert "AnatomicRegionSequence" not in liver
    assert tumour.AnatomicRegionSequence[0].CodeValue == "10200004"
    mask, affine = grid()
    write_seg_nrrd(tmp_path / "mask.seg.nrrd", {"tumour": mask}, affine)
    tags = nrrd.read_header(str(tmp_path / "mask.seg.nrrd"))["Segment0_Tags"]
    assert tags.endswith("DICOM master list~SCT^10200004^Liver~^^|")


def test_a_seg_without_names_bears_no_word_of_person_or_visit(tmp_path: Path):
    sources = ct_series(tmp_path)
    words = ("PatientName", "PatientID", "OtherPatientNames", "PatientComments", "StudyID",
             "StudyDescription", "ReferringPhysicianName", "AccessionNumber", "PatientAddress",
             "ImageComments", "InstitutionName", "AdditionalPatientHistory")  # fmt: skip
    for source in sources:
        image = pydicom.dcmread(source)
        for name in words:
            setattr(image, name, "JANE")
        image.PatientBirthDate = image.StudyDate = "19530417"
        image.add_new(0x00091001, "LO", "JANE")
        image.save_as(source)
    seg = seg_of(tmp_path, sources)
    assert (seg.PatientName, seg.PatientID) == ("JANE", "JANE")
    seg = seg_of(tmp_path, sources, named=False)
    assert (seg.PatientName, seg.PatientID) == ("", "p")
    assert seg.StudyInstanceUID == pydicom.dcmread(sources[0]).StudyInstanceUID
    content = (tmp_path / "seg.dcm").read_bytes()
    assert b"JANE" not in content and b"19530417" not in content
    np.testing.assert_array_equal(seg_masks(tmp_path / "seg.dcm")["liver"], grid()[0])


def test_an_enhanced_ct_gets_a_seg_without_names(tmp_path: Path):
    source = enhanced_ct(tmp_path, PatientName="JANE")
    seg = seg_of(tmp_path, [source], named=False)
    assert (seg.PatientName, seg.PatientID) == ("", "p")


def test_itk_reads_a_dicom_seg(tmp_path: Path):
    liver, affine = grid()
    sources = ct_series(tmp_path)
    path = tmp_path / "out" / "mask.seg.dcm"
    write_dicom_seg(path, {"liver": liver}, affine, sources, model="unet", patient="p")
    frames = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    np.testing.assert_array_equal(frames.T > 0, liver[:, :, liver.any(axis=(0, 1))])


def test_the_axes_of_the_mask_need_not_be_those_of_the_images(tmp_path: Path):
    liver, affine = grid()
    swap = np.array([[0, 0, 1, 0], [0, -1, 0, 11], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    path = tmp_path / "out" / "mask.seg.dcm"
    turned = liver[:, ::-1].transpose(2, 1, 0)
    write_dicom_seg(
        path, {"liver": turned}, affine @ swap, ct_series(tmp_path), model="unet", patient="p"
    )
    np.testing.assert_array_equal(seg_masks(path)["liver"], liver)


def phases(folder: Path) -> dict[int, list[Path]]:
    """One series of two acquisitions on the grid, the second first in the folder, and a scout."""
    series, found = generate_uid(), {}
    for acquisition in (1, 2):
        (folder / f"{9 - acquisition}").mkdir()
        found[acquisition] = ct_series(folder / f"{9 - acquisition}")
        for path in found[acquisition]:
            image = pydicom.dcmread(path)
            image.SeriesInstanceUID, image.AcquisitionNumber = series, acquisition
            image.save_as(path)
    scout = pydicom.dcmread(found[1][0])
    scout.SOPInstanceUID = scout.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.save_as(folder / "scout.dcm")
    return found


@pytest.mark.parametrize("acquisition", [1, 2])
def test_a_seg_is_of_the_phase_that_was_imported(tmp_path: Path, acquisition: int):
    found = phases(tmp_path)
    images = [pydicom.dcmread(path) for path in found[acquisition]]
    imported = (digest_of_uid(images[0].SeriesInstanceUID), acquisition)
    sources = [tmp_path / "scout.dcm", *found[2], *found[1]]
    seg = seg_of(tmp_path, sources, imported=imported)
    np.testing.assert_array_equal(seg_masks(tmp_path / "seg.dcm")["liver"], grid()[0])
    referenced = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    instances = {item.ReferencedSOPInstanceUID for item in referenced}
    assert instances <= {image.SOPInstanceUID for image in images}


def test_an_empty_mask_is_a_valid_dicom_seg(tmp_path: Path):
    liver, affine = grid()
    path = tmp_path / "out" / "mask.seg.dcm"
    sources = ct_series(tmp_path)
    write_dicom_seg(path, {"liver": liver & False}, affine, sources, model="unet", patient="p")
    assert not seg_masks(path)["liver"].any()


def test_images_of_another_grid_are_refused_by_name(tmp_path: Path):
    liver, affine = grid()
    affine[2, 3] += 1.0
    with pytest.raises(LiversegError, match="patient: p9"):
        write_dicom_seg(
            tmp_path / "x.dcm", {"liver": liver}, affine, ct_series(tmp_path),
            model="unet", patient="p9",
        )  # fmt: skip


def test_identifiers_that_a_pseudonymiser_emptied_are_filled_in(tmp_path: Path):
    liver, affine = grid()
    sources = ct_series(tmp_path)
    for source in sources:
        image = pydicom.dcmread(source)
        image.SOPClassUID = image.SOPInstanceUID = image.SeriesInstanceUID = ""
        image.SpecificCharacterSet = ""
        image.save_as(source)
    path = tmp_path / "out" / "mask.seg.dcm"
    write_dicom_seg(path, {"liver": liver}, affine, sources, model="unet", patient="p")
    np.testing.assert_array_equal(seg_masks(path)["liver"], liver)
    assert pydicom.dcmread(path).ReferencedSeriesSequence[0].SeriesInstanceUID


def test_no_warning_quotes_a_patients_name(tmp_path: Path, capfd, recwarn):
    liver, affine = grid()
    sources = ct_series(tmp_path)
    for source in sources:
        image = pydicom.dcmread(source)
        image.PatientName = "JANE"
        image.save_as(source)
    recwarn.clear()
    write_dicom_seg(
        tmp_path / "mask.seg.dcm", {"liver": liver}, affine, sources, model="unet", patient="p"
    )
    printed = capfd.readouterr()
    assert "JANE" not in printed.out + printed.err
    assert not any("JANE" in str(warning.message) for warning in recwarn)


def enhanced_ct(folder: Path, *, frames: int = 6, **changed: object) -> Path:
    """The same CT as one multi-frame object, its frames from the top down."""
    path = write_enhanced(
        folder / "enhanced.dcm",
        np.zeros((14, 12, frames), np.int16),
        origin=ORIGIN_LPS,
        step_mm=2.5,
    )
    image = pydicom.dcmread(path)
    image.StudyInstanceUID, image.FrameOfReferenceUID = generate_uid(), generate_uid()
    measures = image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing, measures.SliceThickness = [SPACING_MM[1], SPACING_MM[0]], 2.5
    for name, value in changed.items():
        setattr(image, name, value)
    image.save_as(path)
    return path


def test_an_enhanced_ct_gets_a_seg_of_its_frames(tmp_path: Path):
    liver, affine = grid()
    source = enhanced_ct(tmp_path)
    path = tmp_path / "out" / "mask.seg.dcm"
    write_dicom_seg(path, {"liver": liver}, affine, [source], model="unet", patient="p")
    np.testing.assert_array_equal(seg_masks(path)["liver"], liver)
    seg, image = pydicom.dcmread(path), pydicom.dcmread(source)
    assert seg.FrameOfReferenceUID == image.FrameOfReferenceUID
    referenced = seg.ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == image.SeriesInstanceUID
    instances = [item.ReferencedSOPInstanceUID for item in referenced.ReferencedInstanceSequence]
    assert instances == [image.SOPInstanceUID]
    frames = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    np.testing.assert_array_equal(frames.T > 0, liver[:, :, liver.any(axis=(0, 1))])


def test_each_frame_of_the_seg_names_the_frame_it_was_drawn_on(tmp_path: Path):
    liver, affine = grid()
    path = tmp_path / "out" / "mask.seg.dcm"
    source = enhanced_ct(tmp_path)
    write_dicom_seg(path, {"liver": liver}, affine, [source], model="unet", patient="p")
    heights = [
        float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        for frame in pydicom.dcmread(source).PerFrameFunctionalGroupsSequence
    ]
    found = pydicom.dcmread(path).PerFrameFunctionalGroupsSequence
    assert len(found) == 3
    for frame in found:
        derived = frame.DerivationImageSequence[0].SourceImageSequence[0]
        height = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        assert heights[int(derived.ReferencedFrameNumber) - 1] == height


def test_an_enhanced_ct_of_more_than_the_mask_is_refused_by_name(tmp_path: Path):
    liver, affine = grid()
    source = enhanced_ct(tmp_path, frames=7)
    with pytest.raises(LiversegError, match="all frames of one multi-frame CT"):
        write_dicom_seg(
            tmp_path / "x.dcm", {"liver": liver}, affine, [source], model="unet", patient="p9"
        )
    assert not (tmp_path / "x.dcm").exists()
