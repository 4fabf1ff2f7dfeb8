"""DICOM series: ordered by position, in HU, on the right grid, or refused by name."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from tests.dicom_files import PERSON, Change, hu_volume, write_enhanced, write_other, write_series
from workflow.liverseg.dicom import Imported, import_ct
from workflow.liverseg.dicom_choice import check_persons
from workflow.liverseg.dicom_series import slices_of
from workflow.liverseg.findings import Rejection

HU = hu_volume()


def refusal(files: list[Path]) -> tuple[str, str]:
    with pytest.raises(Rejection) as caught:
        import_ct(files)
    return caught.value.finding.code, caught.value.finding.found


def codes(imported: Imported) -> list[str]:
    """The codes of all findings but that each object of these tests names a person."""
    return [one.code for one in imported.findings if one.code != "private_text"]


def test_slices_are_ordered_by_position_and_scaled_to_hu(tmp_path: Path):
    imported = import_ct(write_series(tmp_path, HU))
    assert np.array_equal(imported.image.data, HU)
    assert imported.image.data.dtype == np.int16 and codes(imported) == []


def test_the_affine_takes_an_index_to_ras_millimetres(tmp_path: Path):
    """Column index grows along the row direction by the distance of columns, in LPS."""
    affine = import_ct(write_series(tmp_path, HU)).image.affine
    lps = np.array([-11.0, 22.0, -33.0]) + np.array([2 * 0.7, 3 * 0.8, 4 * 2.5])
    assert np.allclose(affine @ [2, 3, 4, 1], [-lps[0], -lps[1], lps[2], 1])


@pytest.mark.parametrize("step", [(0.0, 0.0, -2.5), (0.0, 0.0, 2.5)])
def test_a_voxel_keeps_its_place_whichever_way_the_table_moved(tmp_path: Path, step: tuple):
    image = import_ct(write_series(tmp_path, HU, step=step)).image
    lps = np.add((-11.0, 22.0, -33.0), (5 * 0.7, 6 * 0.8, 1 * step[2]))
    index = np.linalg.inv(image.affine) @ [-lps[0], -lps[1], lps[2], 1]
    assert image.data[tuple(np.rint(index[:3]).astype(int))] == HU[5, 6, 1]
    assert np.linalg.det(image.affine) > 0


def test_coronal_and_oblique_series_keep_their_directions(tmp_path: Path):
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(0.4), np.sin(0.4)])
    normal = np.cross(row, column)
    image = import_ct(write_series(tmp_path, HU, directions=(*row, *column), step=3 * normal)).image
    assert np.array_equal(image.data, HU)
    assert np.allclose(np.linalg.norm(image.affine[:3, :3], axis=0), [0.7, 0.8, 3], atol=1e-4)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels_are_the_same(tmp_path: Path, syntax: str):
    hu = hu_volume((40, 36, 3))  # the encoder of JPEG 2000 refuses smaller ones
    files = write_series(tmp_path, hu, syntax=syntax)
    assert np.array_equal(import_ct(files).image.data, hu)


def test_lossless_jpeg_as_many_scanners_store_it_is_read(tmp_path: Path):
    hu = hu_volume((40, 36, 2))

    def change(dataset: Dataset, k: int) -> Dataset:
        image = sitk.GetImageFromArray(dataset.pixel_array[None])
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(tmp_path / "itk.dcm"))
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.Execute(image)
        written = pydicom.dcmread(tmp_path / "itk.dcm")
        assert written.file_meta.TransferSyntaxUID == JPEGLosslessSV1
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.PixelData, dataset["PixelData"].is_undefined_length = written.PixelData, True
        dataset.BitsStored, dataset.HighBit = 16, 15
        return dataset

    assert np.array_equal(import_ct(write_series(tmp_path / "d", hu, change=change)).image.data, hu)


def test_a_damaged_stream_is_refused_and_its_decoder_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture
):
    hu = hu_volume((40, 36, 2))

    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.compress(JPEGLSLossless)
        content = bytearray(dataset.PixelData)
        content[200:260] = bytes(60)
        dataset.PixelData = bytes(content)
        return dataset

    files = write_series(tmp_path, hu, change=change)
    capfd.readouterr()
    assert refusal(files)[0] == "dicom_unreadable"
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    "syntax",
    [
        JPEGBaseline8Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless,
        JPEG2000, JPEG2000Lossless, RLELossless,
    ],
)  # fmt: skip
def test_every_compression_that_the_docs_name_has_a_decoder(syntax: UID):
    assert get_decoder(syntax).is_available


def test_a_multi_frame_object_is_one_series(tmp_path: Path):
    path = write_enhanced(tmp_path / "e.dcm", HU, origin=(1.0, 2.0, 3.0), step_mm=2.5)
    image = import_ct([path]).image
    assert np.array_equal(image.data, HU)
    assert np.allclose(image.affine @ [0, 0, 1, 1], [-1, -2, 5.5, 1])


def test_damaged_headers_are_refused_or_change_nothing_but_pixels(tmp_path: Path):
    """100 flipped bits: each import is a Rejection, or the grid and the size stay."""
    files = write_series(tmp_path, HU)
    grid = import_ct(files).image.affine
    content = files[3].read_bytes()
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(100):
        damaged = bytearray(content)
        damaged[random.integers(128, len(content))] ^= 1 << int(random.integers(8))
        files[3].write_bytes(damaged)
        try:
            image = import_ct(files).image
        except Rejection:
            refused += 1
            continue
        assert image.data.shape == HU.shape and np.allclose(image.affine, grid, atol=0.05)
    assert refused > 15


def test_signed_pixels_are_the_same(tmp_path: Path):
    assert np.array_equal(import_ct(write_series(tmp_path, HU, signed=True)).image.data, HU)


def test_each_slice_has_its_own_rescale(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.RescaleSlope = 1 + k
        return dataset

    data = import_ct(write_series(tmp_path, HU, change=change)).image.data
    stored = HU.astype(int) + 1024
    assert np.array_equal(data, stored * (1 + np.arange(HU.shape[2])) - 1024)


def test_padding_becomes_air_and_is_told(tmp_path: Path):
    hu = HU.copy()
    hu[:3] = -2000

    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.PixelPaddingValue = -2000
        return dataset

    imported = import_ct(write_series(tmp_path, hu, signed=True, change=change))
    assert (imported.image.data[:3] == -1024).all()
    assert np.array_equal(imported.image.data[3:], HU[3:])
    assert codes(imported) == ["dicom_padding"]


def test_localisers_dose_pages_and_other_files_are_ignored_and_counted(tmp_path: Path):
    def localiser(dataset: Dataset, k: int) -> Dataset:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        return dataset

    files = write_series(tmp_path / "ct", HU)
    files += write_series(tmp_path / "loc", HU[:, :, :2], change=localiser)
    files.append(write_other(tmp_path / "dose.dcm", SecondaryCaptureImageStorage))
    (tmp_path / "readme.txt").write_text("no DICOM")
    files.append(tmp_path / "readme.txt")
    imported = import_ct(files)
    assert np.array_equal(imported.image.data, HU)
    assert sorted(imported.record["ignored"].values()) == [1, 1, 2]


def test_of_several_series_the_axial_one_with_most_slices_is_taken_and_told(tmp_path: Path):
    files = write_series(tmp_path / "few", HU[:, :, :4])
    coronal = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    many = np.concatenate([HU, HU], axis=2)
    files += write_series(tmp_path / "coronal", many, directions=coronal, step=(0, 2.5, 0))
    files += write_series(tmp_path / "most", HU)
    imported = import_ct(files)
    assert np.array_equal(imported.image.data, HU)
    assert len(imported.record["other_series"]) == 2
    assert codes(imported) == ["dicom_several"]
    assert "series 3" in imported.findings[-1].remedy


def test_phases_under_one_series_uid_are_told_apart(tmp_path: Path):
    uid = generate_uid()

    def second(dataset: Dataset, k: int) -> Dataset:
        dataset.AcquisitionNumber = 2
        return dataset

    files = write_series(tmp_path, HU, series=uid, prefix="a")
    files += write_series(tmp_path, HU[::-1], series=uid, prefix="b", change=second)
    imported = import_ct(files)
    assert np.array_equal(imported.image.data, HU)
    assert imported.record["other_series"] == [{"number": 3, "slices": HU.shape[2]}]


def test_a_missing_slice_is_named(tmp_path: Path):
    files = write_series(tmp_path, HU, change=lambda d, k: None if k in (2, 3) else d)
    code, found = refusal(files)
    assert code == "dicom_gap" and "2 between -30.50 and -23.00 mm" in found
    assert "instances 2, 5" in found


def test_of_three_slices_one_missing_between_is_a_gap(tmp_path: Path):
    files = write_series(tmp_path, HU[:, :, :4], change=lambda d, k: None if k == 1 else d)
    assert refusal(files)[0] == "dicom_gap"


def test_a_doubled_slice_is_named(tmp_path: Path):
    uid = generate_uid()
    files = write_series(tmp_path / "a", HU, series=uid)
    files += write_series(tmp_path / "b", HU, series=uid, change=lambda d, k: d if k == 4 else None)
    code, found = refusal(files)
    assert code == "dicom_double" and "5 and 5" in found


def test_uneven_distances_are_refused(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImagePositionPatient[2] = -33 + 2.5 * k + (0.9 if k == 3 else 0)
        return dataset

    assert refusal(write_series(tmp_path, HU, change=change))[0] == "dicom_uneven"


def test_small_differences_of_distances_that_add_up_are_refused(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImagePositionPatient[2] = round(2.5 * k + 0.2 * max(0, k - 12), 2)
        return dataset

    many = np.concatenate([HU] * 4, axis=2)
    code, found = refusal(write_series(tmp_path, many, change=change))
    assert (code, found) == ("dicom_uneven", "distances of slices from 2.50 to 2.70 mm")


def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path):
    column = (0.0, np.cos(np.radians(15)), np.sin(np.radians(15)))
    files = write_series(tmp_path, HU, directions=(1, 0, 0, *column), step=(0, 0, 2.5))
    code, found = refusal(files)
    assert code == "dicom_tilt" and "15.0°" in found


def test_slices_shifted_sideways_are_refused_by_name(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImagePositionPatient[0] += 40 * (2 <= k <= 3)
        return dataset

    code, found = refusal(write_series(tmp_path, HU, change=change))
    assert code == "dicom_shifted" and "2 slices up to 40.0 mm" in found and "3, 4" in found


def test_positions_written_with_one_decimal_are_a_straight_line(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImagePositionPatient[0] = round(-120.55 + 0.03 * k, 1)
        return dataset

    assert np.array_equal(import_ct(write_series(tmp_path, HU, change=change)).image.data, HU)


def test_a_missing_rescale_is_refused(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        del dataset.RescaleIntercept
        return dataset

    code, found = refusal(write_series(tmp_path, HU, change=change))
    assert code == "dicom_no_rescale" and "6 of 6" in found


def test_different_spacings_in_one_series_are_refused(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.PixelSpacing = [0.8, 0.7 + 0.1 * (k == 2)]
        return dataset

    assert refusal(write_series(tmp_path, HU, change=change))[0] == "dicom_spacing"


def test_a_damaged_last_slice_is_told(tmp_path: Path):
    files = write_series(tmp_path, HU)
    files[-1].write_bytes(b"<html>404</html>")
    imported = import_ct(files)
    assert imported.image.data.shape[2] == HU.shape[2] - 1
    assert codes(imported) == ["dicom_damaged"]


@pytest.mark.parametrize("name", ["CT.1.2.3.{}", "IM{:04d}", "{:03d}.ima"])
def test_damaged_slices_at_both_ends_are_told_whatever_they_are_named(tmp_path: Path, name: str):
    files = write_series(tmp_path, HU)
    files = [path.rename(tmp_path / name.format(k)) for k, path in enumerate(files)]
    for path in (files[0], files[-1]):
        path.write_bytes(b"")
    (tmp_path / "readme.txt").write_text("no slice")
    imported = import_ct([*files, tmp_path / "readme.txt"])
    assert codes(imported) == ["dicom_damaged"]
    assert imported.findings[-1].found.startswith("2 files")


def test_a_slice_without_a_position_is_told(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        if k == HU.shape[2] - 1:
            del dataset.ImagePositionPatient
        return dataset

    assert codes(import_ct(write_series(tmp_path, HU, change=change))) == ["dicom_no_place"]


@pytest.mark.parametrize(("name", "persons"), [(PERSON, 1), ("", 1), ("Schulz^Anna", 2)])
def test_slices_without_an_id_are_told_apart_by_name_alone(tmp_path: Path, name: str, persons: int):
    def without_id(dataset: Dataset, k: int) -> Dataset:
        del dataset.PatientID
        dataset.PatientName = name
        return dataset

    def named(dataset: Dataset, k: int) -> Dataset:
        dataset.PatientID, dataset.PatientName = "4711", PERSON
        return dataset

    files = write_series(tmp_path / "one", HU, change=named)
    files += write_series(tmp_path / "two", HU, change=without_id)
    found = [one for path in files for one in slices_of(path, pydicom.dcmread(path))]
    if persons == 1:
        check_persons(found)
    else:
        with pytest.raises(Rejection, match="2 persons"):
            check_persons(found)


def test_two_persons_in_one_folder_are_refused_and_not_named(tmp_path: Path):
    def other(dataset: Dataset, k: int) -> Dataset:
        dataset.PatientID = "Schulz-4711"
        return dataset

    files = write_series(tmp_path / "P1", HU) + write_series(tmp_path / "P2", HU, change=other)
    with pytest.raises(Rejection) as caught:
        import_ct(files)
    finding = caught.value.finding
    assert finding.code == "dicom_persons" and "dicom_sorting" in finding.remedy
    assert not {"Schulz", "4711", PERSON} & set(re.findall(r"[\w^]+", str(finding.to_json())))


def test_directions_that_differ_by_rounding_are_one_volume(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImageOrientationPatient[1] = 0.00049 + 0.00002 * (k % 2)
        return dataset

    imported = import_ct(write_series(tmp_path, HU, change=change))
    assert codes(imported) == [] and np.array_equal(imported.image.data, HU)


def with_kernel(kernel: str, number: int) -> Change:
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ConvolutionKernel, dataset.SeriesNumber = kernel, number
        return dataset

    return change


@pytest.mark.parametrize(
    ("soft", "sharp"),
    [("B30f", "B70f"), ("STANDARD", "LUNG"), ("FC08", "FC52"), ("Br38f", "Bl57f")],
)
def test_a_soft_kernel_is_taken_before_a_sharp_one_with_more_slices(tmp_path: Path, soft, sharp):
    files = write_series(
        tmp_path / "soft", HU[:, :, ::2], step=(0, 0, 5), change=with_kernel(soft, 9)
    )
    files += write_series(tmp_path / "sharp", HU[:, :, :5], change=with_kernel(sharp, 2))
    assert np.array_equal(import_ct(files).image.data, HU[:, :, ::2])


def test_a_sharp_kernel_is_taken_where_the_soft_one_covers_less(tmp_path: Path):
    files = write_series(tmp_path / "soft", HU[:, :, :3], change=with_kernel("B30f", 2))
    files += write_series(tmp_path / "sharp", HU, change=with_kernel("B70f", 9))
    assert np.array_equal(import_ct(files).image.data, HU)


def of_type(*words: str) -> Change:
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.ImageType = list(words)
        return dataset

    return change


def test_a_projection_is_no_volume_however_many_slices_it_has(tmp_path: Path):
    many = np.concatenate([HU, HU], axis=2)
    change = of_type("DERIVED", "SECONDARY", "AXIAL", "MIP")
    mip = write_series(tmp_path / "mip", many, change=change)
    files = write_series(tmp_path / "scan", HU, change=of_type("ORIGINAL", "PRIMARY", "AXIAL"))
    imported = import_ct([*mip, *files])
    assert np.array_equal(imported.image.data, HU)
    assert imported.record["ignored"] == {"projection, such as a MIP": 2 * HU.shape[2]}
    (told,) = [one for one in imported.findings if one.code == "dicom_projection"]
    assert told.found.startswith("12 images") and "series 3 was taken (6 slices)" in told.remedy
    code, found = refusal(mip)
    assert code == "dicom_no_ct" and "12 images of a projection" in found


@pytest.mark.parametrize("mark", ["CT_SOM5 MIP", "CSA MIP", "PROJECTION IMAGE", "MIN_IP", "MINIP"])
def test_vendors_marks_of_projections_are_known(tmp_path: Path, mark: str):
    files = write_series(tmp_path, HU, change=of_type("DERIVED", "SECONDARY", "AXIAL", mark))
    assert "projection" in refusal(files)[1]


@pytest.mark.parametrize("mark", ["CT_SOM5 SPI", "VOLUME", "CT_SOM7 SPI DUAL", "MPR"])
def test_marks_of_volumes_are_none_of_projections(tmp_path: Path, mark: str):
    files = write_series(tmp_path, HU, change=of_type("DERIVED", "SECONDARY", "AXIAL", mark))
    assert import_ct(files).record["ignored"] == {}


def test_the_scan_itself_is_taken_before_a_derived_series_with_more_slices(tmp_path: Path):
    many = np.concatenate([HU, HU], axis=2)
    thin = of_type("DERIVED", "SECONDARY", "AVERAGE")
    files = write_series(tmp_path / "d", many, step=(0, 0, 1.25), change=thin)
    files += write_series(tmp_path / "o", HU, change=of_type("ORIGINAL", "PRIMARY", "AXIAL"))
    assert np.array_equal(import_ct(files).image.data, HU)


def test_a_derived_series_is_taken_where_the_scans_own_shows_less(tmp_path: Path):
    derived = of_type("DERIVED", "PRIMARY", "AXIAL")
    files = write_series(tmp_path / "d", HU, change=derived)
    bolus = write_series(tmp_path / "o", HU[:, :, :2], change=of_type("ORIGINAL", "PRIMARY"))
    assert np.array_equal(import_ct([*files, *bolus]).image.data, HU)


def with_scale(scale: str) -> Change:
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.RescaleType = scale
        return dataset

    return change


@pytest.mark.parametrize("scale", ["HU", "US", ""])
def test_a_rescale_to_hu_is_taken(tmp_path: Path, scale: str):
    assert codes(import_ct(write_series(tmp_path, HU, change=with_scale(scale)))) == []


def test_a_rescale_to_another_scale_is_refused_or_left_for_one_in_hu(tmp_path: Path):
    files = write_series(tmp_path / "z", HU[:, :, ::-1], change=with_scale("Z_EFF"))
    code, found = refusal(files)
    assert code == "dicom_not_hu" and "Z_EFF" in found
    assert PERSON not in refusal(write_series(tmp_path / "x", HU, change=with_scale(PERSON)))[1]
    files += write_series(tmp_path / "hu", HU[:, :, :4], change=with_scale("HU"))
    assert np.array_equal(import_ct(files).image.data, HU[:, :, :4])


def private(files: list[Path]) -> list[str]:
    return [one.found for one in import_ct(files).findings if one.code == "private_text"]


def test_a_person_in_tags_and_names_of_files_is_told_and_not_repeated(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.PatientBirthDate = "19500102"
        return dataset

    told = private(write_series(tmp_path / "CT-mustermann", HU, change=change))
    assert told == [
        "a person's name or date of birth in the name of a file or folder, "
        "the tag PatientBirthDate, the tag PatientName"
    ]


@pytest.mark.parametrize(
    "tags", [{"PatientName": ""}, {"PatientName": "Anonymous"}, {"PatientIdentityRemoved": "YES"}]
)
def test_a_pseudonymised_series_is_not_said_to_name_a_person(tmp_path: Path, tags: dict):
    def change(dataset: Dataset, k: int) -> Dataset:
        for name, value in tags.items():
            setattr(dataset, name, value)
        return dataset

    assert private(write_series(tmp_path, HU, change=change)) == []


def test_a_single_slice_and_no_slice_are_refused(tmp_path: Path):
    one = write_series(tmp_path, HU[:, :, :1])
    assert refusal(one)[0] == "dicom_too_few"
    assert refusal([write_other(tmp_path / "dose.dcm")])[0] == "dicom_no_ct"


def test_cut_pixels_are_refused_without_the_decoders_words(tmp_path: Path):
    files = write_series(tmp_path, HU)
    content = files[2].read_bytes()
    files[2].write_bytes(content[:-60])
    assert refusal(files)[0] == "dicom_unreadable"


def test_a_pseudonymised_series_without_class_is_read(tmp_path: Path):
    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.SOPClassUID = ""
        return dataset

    assert np.array_equal(import_ct(write_series(tmp_path, HU, change=change)).image.data, HU)


def test_the_real_jpeg_2000_series_is_read(real_data: Path):
    files = list((real_data / "dicom/totalseg_jpeg2000").iterdir())
    image = import_ct(files).image
    assert image.data.shape == (512, 512, 20)
    assert np.allclose(image.spacing_mm, [0.9765625, 0.9765625, 2])
    assert image.orientation == "LPS" and image.data.min() == -1024
