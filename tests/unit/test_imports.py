"""Labels of other formats land on the CT's own voxels; refusals stand in the record."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from tests.dicom_files import PERSON, hu_volume, write_rtstruct, write_seg, write_series
from workflow.liverseg.files import read_json, write_json
from workflow.liverseg.findings import reject
from workflow.liverseg.images import read_image, write_image
from workflow.liverseg.import_records import with_imports
from workflow.liverseg.imports import import_image, import_label
from workflow.liverseg.placing import fill_polygons
from workflow.liverseg.pseudonyms import SECRET

HU = hu_volume()
ORIGIN = (-11.0, 22.0, -33.0)
STRUCTURES = [
    {"name": "liver", "value": 1},
    {"name": r"tumou?r( \d)?", "value": 2, "join": True},
]


def liver() -> np.ndarray:
    mask = np.zeros(HU.shape, bool)
    mask[2:7, 3:8, 1:5] = True
    return mask


def tumour() -> np.ndarray:
    mask = np.zeros(HU.shape, bool)
    mask[3:5, 4:6, 2:4] = True
    return mask


class Case:
    """A CT that was imported into `folder`, and its label imported onto it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.series = folder, generate_uid()
        self.files = write_series(folder / "dicom", HU, series=self.series)
        self.ct, self.ct_record = folder / "ct.nii.gz", folder / "ct.json"
        import_image(self.files, [], self.ct, self.ct_record, folder / SECRET)

    def label(self, source: Path) -> tuple[np.ndarray, list[str]]:
        out, record = self.folder / "label.nii.gz", self.folder / "label.json"
        import_label([source], self.ct, self.ct_record, STRUCTURES, out, record)
        codes = [finding["code"] for finding in read_json(record)["findings"]]
        if out.stat().st_size == 0:
            return np.empty(0), codes
        image = read_image(out, None)
        assert np.array_equal(image.affine, read_image(self.ct).affine)
        return image.data, codes


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


@pytest.mark.parametrize("fractional", [False, True])
def test_a_seg_lands_on_its_voxels(case: Case, fractional: bool):
    masks = {"Tumour 1": tumour(), "Liver": liver(), "Spine": ~liver()}
    path = write_seg(case.folder / "seg.dcm", masks, series=case.series, origin=ORIGIN,
                     fractional=fractional)  # fmt: skip
    data, codes = case.label(path)
    assert np.array_equal(data, np.where(tumour(), 2, liver()))
    assert codes == ["label_structures_left_out"]


def test_a_cropped_seg_lands_on_its_voxels(case: Case):
    masks = {"liver": liver()[2:9, 1:9, 1:5]}
    corner = np.add(ORIGIN, (2 * 0.7, 1 * 0.8, 1 * 2.5))
    path = write_seg(case.folder / "s.dcm", masks, series=case.series, origin=corner)
    assert np.array_equal(case.label(path)[0], liver())


@pytest.mark.parametrize(
    ("origin", "spacing", "code"),
    [
        ((-11.3, 22.0, -33.0), (0.8, 0.7), "label_grid"),
        (ORIGIN, (0.8, 0.8), "label_grid"),
        ((-11.0, 22.0, -33.0 + 10 * 2.5), (0.8, 0.7), "label_outside"),
    ],
)
def test_a_seg_off_the_grid_is_refused(case: Case, origin: tuple, spacing: tuple, code: str):
    path = write_seg(case.folder / "s.dcm", {"liver": liver()}, series=case.series,
                     origin=origin, spacing=spacing)  # fmt: skip
    assert case.label(path)[1] == [code]


def test_a_seg_of_another_series_is_refused(case: Case):
    path = write_seg(case.folder / "s.dcm", {"liver": liver()}, series=generate_uid(),
                     origin=ORIGIN)  # fmt: skip
    assert case.label(path)[1] == ["label_of_other_series"]


def test_structures_without_a_known_name_are_refused_unnamed(case: Case):
    path = write_seg(case.folder / "s.dcm", {PERSON: liver()}, series=case.series, origin=ORIGIN)
    assert case.label(path)[1] == ["label_no_structure"]
    assert PERSON not in (case.folder / "label.json").read_text()


def square(k: int, low: float, high: float) -> np.ndarray:
    """A square from `low` to `high` (column and row index) in slice k, in LPS mm."""
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([np.add(ORIGIN, (i * 0.7, j * 0.8, k * 2.5)) for i, j in corners])


def test_contours_are_filled_where_voxel_centres_lie_inside(case: Case):
    drawn = {"Liver": [square(k, 1.5, 7.5) for k in (1, 2)] + [square(2, 3.5, 5.5)]}
    path = write_rtstruct(case.folder / "rt.dcm", drawn, series=case.series)
    expected = np.zeros(HU.shape, np.uint8)
    expected[2:8, 2:8, 1:3] = 1
    expected[4:6, 4:6, 2] = 0
    data, codes = case.label(path)
    assert np.array_equal(data, expected) and not codes


@pytest.mark.parametrize("beside", ["PTV_Liver", "Liver_PRV", "GTV liver", "Liver minus GTV"])
def test_a_structure_around_or_within_the_liver_is_not_taken_for_it(case: Case, beside: str):
    drawn = {beside: [square(1, 0.5, 8.5)], "LIVER ": [square(1, 1.5, 7.5)]}
    path = write_rtstruct(case.folder / "rt.dcm", drawn, series=case.series)
    data, codes = case.label(path)
    assert data.sum() == 36 and codes == ["label_structures_left_out"]
    assert f'no. 1 "{beside}"' in (case.folder / "label.json").read_text().replace('\\"', '"')
    alone = write_rtstruct(case.folder / "b.dcm", {beside: [square(1, 2, 6)]}, series=case.series)
    assert case.label(alone)[1] == ["label_no_structure"]


def test_two_structures_that_fit_are_refused_by_number_and_setting(case: Case):
    path = write_seg(case.folder / "s.dcm", {"Liver": liver(), "liver": tumour()},
                     series=case.series, origin=ORIGIN)  # fmt: skip
    assert case.label(path)[1] == ["label_structures_ambiguous"]
    (finding,) = read_json(case.folder / "label.json")["findings"]
    assert 'no. 1 "Liver", no. 2 "liver"' in finding["found"]
    assert "dicom.structures" in finding["remedy"] and "join: true" in finding["remedy"]


def test_structures_of_an_entry_that_joins_are_taken_together(case: Case):
    other = np.roll(tumour(), 3, axis=1)
    path = write_seg(case.folder / "s.dcm", {"Tumor 1": tumour(), "Tumour 2": other},
                     series=case.series, origin=ORIGIN)  # fmt: skip
    data, codes = case.label(path)
    assert np.array_equal(data, 2 * (tumour() | other)) and not codes


def test_skipped_slices_are_told_and_contours_between_slices_refused(case: Case):
    path = write_rtstruct(case.folder / "a.dcm", {"liver": [square(1, 2, 6), square(3, 2, 6)]})
    assert case.label(path)[1] == ["label_slices_skipped"]
    between = np.add(square(1, 2, 6), (0, 0, 1.0))
    path = write_rtstruct(case.folder / "b.dcm", {"liver": [between]})
    assert case.label(path)[1] == ["label_grid"]


def test_polygons_fill_like_their_area():
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = np.stack([40 + 30.3 * np.cos(angle), 35 + 30.3 * np.sin(angle)], axis=1)
    filled = fill_polygons((80, 70), [circle])
    i, j = np.indices(filled.shape)
    assert (filled != (np.hypot(i - 40, j - 35) < 30.3)).sum() <= 8
    assert not fill_polygons((80, 70), [circle, circle]).any()


def itk_of(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    """Write an array (i, j, k) with a RAS affine as ITK does."""
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    sitk.WriteImage(image, str(path), True)
    return path


@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".mhd"])
def test_a_ct_of_itk_keeps_voxels_and_places(tmp_path: Path, suffix: str):
    affine = np.array([[0, 0.7, 0, 5], [-0.8, 0, 0, 6], [0, 0, 2.5, 7], [0, 0, 0, 1]])
    source = itk_of(tmp_path / f"ct{suffix}", HU, affine)
    import_image([source], [], tmp_path / "ct.nii.gz", tmp_path / "ct.json", tmp_path / SECRET)
    image = read_image(tmp_path / "ct.nii.gz")
    assert np.array_equal(image.data, HU) and np.allclose(image.affine, affine)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_file_of_itk_is_refused(tmp_path: Path, suffix: str, damage: str):
    source = itk_of(tmp_path / f"ct{suffix}", HU, np.eye(4))
    content = bytearray(source.read_bytes())
    if damage == "cut":
        del content[-100:]
    else:
        content[-40] ^= 4
    source.write_bytes(content)
    import_image([source], [], tmp_path / "ct.nii.gz", tmp_path / "ct.json", tmp_path / SECRET)
    codes = [one["code"] for one in read_json(tmp_path / "ct.json")["findings"]]
    assert codes == ["ct_unreadable"]


def test_a_flipped_nrrd_label_lands_on_its_voxels(case: Case):
    affine = read_image(case.ct).affine
    flip = np.diag([-1.0, 1, -1, 1])
    flip[[0, 2], 3] = HU.shape[0] - 1, HU.shape[2] - 1
    values = np.where(tumour(), 2, liver()).astype(np.uint8)
    path = itk_of(case.folder / "l.nrrd", values[::-1, :, ::-1], affine @ flip)
    assert np.array_equal(case.label(path)[0], values)


def test_a_nrrd_label_on_a_nifti_ct(tmp_path: Path):
    affine = np.diag([0.7, 0.8, 2.5, 1])
    write_image(tmp_path / "ct.nii.gz", HU, affine)
    path = itk_of(tmp_path / "l.nrrd", liver().astype(np.uint8), affine)
    out, record = tmp_path / "label.nii.gz", tmp_path / "label.json"
    import_label([path], tmp_path / "ct.nii.gz", None, STRUCTURES, out, record)
    assert np.array_equal(read_image(out, None).data, liver())


def test_named_segments_of_slicer_get_the_values_of_the_settings(case: Case):
    affine = read_image(case.ct).affine
    path = itk_of(case.folder / "s.seg.nrrd", (3 * liver()).astype(np.uint8), affine)
    image = sitk.ReadImage(str(path))
    image.SetMetaData("Segment0_Name", "Liver")
    image.SetMetaData("Segment0_LabelValue", "3")
    sitk.WriteImage(image, str(path), True)
    assert np.array_equal(case.label(path)[0], liver())


def test_an_interpolated_label_is_refused(case: Case):
    path = itk_of(case.folder / "l.nrrd", liver() * 0.5, read_image(case.ct).affine)
    assert case.label(path)[1] == ["label_not_integer"]


def test_a_refused_ct_is_an_empty_file_and_its_label_says_so(tmp_path: Path):
    files = write_series(tmp_path / "d", HU, change=lambda d, k: None if k == 2 else d)
    ct, record = tmp_path / "ct.nii.gz", tmp_path / "ct.json"
    import_image(files, [], ct, record, tmp_path / SECRET)
    assert ct.stat().st_size == 0 and read_json(record)["verdict"] == "rejected"
    seg = write_seg(tmp_path / "s.dcm", {"liver": liver()}, series="1.2", origin=ORIGIN)
    label_record = tmp_path / "label.json"
    import_label([seg], ct, record, STRUCTURES, tmp_path / "label.nii.gz", label_record)
    assert read_json(label_record)["findings"][0]["code"] == "ct_not_imported"
    inspected = {"patient": "a", "verdict": "rejected", "findings": []}
    joined = with_imports(inspected, [record, label_record])
    assert joined["verdict"] == "rejected"
    assert [one["code"] for one in joined["findings"]] == ["dicom_gap", "ct_not_imported"]


def test_what_the_ct_lacks_is_told_beside_a_refused_label(tmp_path: Path):
    def found(code: str, part: str) -> dict:
        return reject(code, part, found="x", expected="y", remedy="z").to_json()

    record = tmp_path / "label.json"
    write_json(record, {"verdict": "rejected", "findings": [found("structures", "label")]})
    own = [found("not_ct", "ct"), found("file_empty", "label")]
    joined = with_imports({"patient": "a", "verdict": "rejected", "findings": own}, [record])
    assert [one["code"] for one in joined["findings"]] == ["structures", "not_ct"]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda b: b[:100], "file_truncated"),
        (lambda b: b"<html>", "not_nifti"),
        (lambda b: b[:40] + b"\2\0" + b[42:], "ct_not_imported"),
    ],
    ids=["cut", "web page", "two dimensions"],
)
def test_a_label_on_a_damaged_nifti_ct_is_refused(case: Case, damage, code: str):
    plain = case.folder / "own.nii"
    plain.write_bytes(damage(read_bytes_of(case.ct)))
    case.ct = plain
    masks = {"liver": liver()}
    source = write_seg(case.folder / "s.dcm", masks, series=case.series, origin=ORIGIN)
    assert case.label(source)[1] == [code]


def test_nothing_of_the_person_reaches_an_output(case: Case):
    seg = write_seg(case.folder / "seg.dcm", {"Liver": liver(), PERSON: tumour()},
                    series=case.series, origin=ORIGIN)  # fmt: skip
    case.label(seg)
    for name in ("ct.nii.gz", "label.nii.gz"):
        content = read_bytes_of(case.folder / name)
        assert b"Mustermann" not in content and case.series.encode() not in content
    for name in ("ct.json", "label.json"):
        text = (case.folder / name).read_text()
        assert "Mustermann" not in text and case.series not in text


def read_bytes_of(path: Path) -> bytes:
    from workflow.liverseg.images import read_bytes

    return read_bytes(path)


def test_the_real_seg_and_nrrd_agree_voxel_by_voxel(real_data: Path, tmp_path: Path):
    folder = real_data / "dicom/dcmqi_3slices"
    ct, record = tmp_path / "ct.nii.gz", tmp_path / "ct.json"
    import_image([folder / f"0{n}.dcm" for n in (1, 2, 3)], [], ct, record, tmp_path / SECRET)
    found = []
    for name in ("liver.dcm", "liver_seg.nrrd"):
        out = tmp_path / f"{name}.nii.gz"
        import_label([folder / name], ct, record, STRUCTURES, out, tmp_path / "l.json")
        found.append(read_image(out, None).data)
    assert np.array_equal(found[0], found[1]) and found[0].sum() == 107098
