"""A CT and a label stored along different axes are one pair, from the inspection to the scores."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from tests.intake_cases import AFFINE, LIVER, SETTINGS, body, liver, nifti, write
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_json
from workflow.liverseg.images import write_image
from workflow.liverseg.inspection import inspect
from workflow.liverseg.intake import read_case
from workflow.liverseg.orientations import orientation, turned_onto
from workflow.liverseg.volume_files import read_volume
from workflow.scripts import prepare_volume, score_patient

PAIRS = [
    ("LPS", "RAS"), ("RAS", "LPS"), ("LAS", "LPI"), ("RAS", "PIR"), ("PSR", "LPS"),
    ("ASL", "SRP"), ("LPS", "SAL"), ("IPR", "RAI"),
]  # fmt: skip
VOLUMES = {
    "spacing_mm": [9.0, 8.0, 10.0],
    "window_hu": [-200, 250],
    "in_plane": {"mode": "crop_pad", "size": [32, 32]},
}
SCORED = {"labels": LIVER.to_settings(), "scores": {"surface_tolerance_mm": 1.0}}
OBLIQUE = AFFINE @ np.array(
    [[0.8, 0, -0.6, 0], [0, 1, 0, 0], [0.6, 0, 0.8, 0], [0, 0, 0, 1.0]]
)  # fmt: skip


def along(codes: str, data: np.ndarray, affine: np.ndarray = AFFINE) -> nibabel.Nifti1Image:
    """The image as nibabel stores it along other axes: the same voxels at the same places."""
    image = nibabel.Nifti1Image(data, affine)
    return image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(tuple(codes))))


def stored(folder: Path, ct: str, label: str, affine: np.ndarray = AFFINE) -> tuple[Path, Path]:
    images = {"ct": along(ct, body(), affine), "label": along(label, liver(), affine)}
    written = [
        write(folder / f"{part}.nii.gz", nifti(np.asarray(image.dataobj), image.affine))
        for part, image in images.items()
    ]
    return written[0], written[1]


def record_of(ct: Path, label: Path) -> dict:
    return inspect(image=ct, label=label, patient="p", labels=LIVER, settings=SETTINGS)


@pytest.mark.parametrize(("ct", "label"), PAIRS)
def test_turned_label_is_repaired_and_measured_as_the_plain_one(tmp_path, ct, label):
    plain = record_of(*stored(tmp_path / "plain", ct, ct))
    record = record_of(*stored(tmp_path / "turned", ct, label))
    (finding,) = record["findings"]
    assert (finding["code"], record["verdict"]) == ("label_orientation", "repaired")
    assert finding["found"] == f"a label stored along {label}"
    assert finding["expected"] == f"the CT's axes, {ct}"
    assert plain["findings"] == []
    assert record["label"] == plain["label"]


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE], ids=["straight", "oblique"])
@pytest.mark.parametrize(("ct", "label"), PAIRS)
def test_turned_label_prepares_to_the_same_volume(tmp_path, ct, label, affine):
    volumes = []
    for name, codes in (("plain", ct), ("turned", label)):
        paths = stored(tmp_path / name, ct, codes, affine)
        out = tmp_path / f"{name}.npz"
        prepare_volume.main(*paths, out, "p", {"volumes": VOLUMES, "labels": LIVER.to_settings()})
        volumes.append(read_volume(out))
    plain, turned = volumes
    assert turned.label is not None and turned.label.any()
    np.testing.assert_array_equal(turned.label, plain.label)
    np.testing.assert_array_equal(turned.image, plain.image)


@pytest.mark.parametrize(("ct", "label"), PAIRS)
def test_turned_label_scores_a_mask_on_the_cts_grid(tmp_path, ct, label):
    _, reference = stored(tmp_path, ct, label)
    dice = []
    for shift in (0, 2):
        mask = along(ct, np.roll(liver(), shift, 0))
        write_image(tmp_path / "mask.nii.gz", np.asarray(mask.dataobj), mask.affine)
        out = tmp_path / "scores.json"
        score_patient.main(tmp_path / "mask.nii.gz", reference, out, "p", "m", SCORED)
        dice.append(read_json(out)["regions"]["liver"]["dice"])
    shared = np.count_nonzero(liver() & np.roll(liver(), 2, 0)) / np.count_nonzero(liver())
    assert dice == [1.0, pytest.approx(shared)]


def test_label_turned_and_moved_is_rejected_with_the_distance(tmp_path):
    ct, label = stored(tmp_path, "LPS", "RAS")
    moved = along("RAS", liver())
    affine = moved.affine + np.eye(4)[:, [3, 3, 3, 0]] * 30
    write(label, nifti(np.asarray(moved.dataobj), affine))
    (finding,) = record_of(ct, label)["findings"]
    assert finding["code"] == "affines_differ"
    assert finding["found"] == "an affine that puts a corner 30 mm from the CT's"


def test_label_of_another_extent_along_other_axes_is_rejected_by_its_shape(tmp_path):
    ct, label = stored(tmp_path, "LPS", "PIR")
    turned = along("PIR", liver()[:, :, :-1])
    write(label, nifti(np.asarray(turned.dataobj), turned.affine))
    (finding,) = record_of(ct, label)["findings"]
    assert finding["code"] == "shapes_differ"
    assert (finding["found"], finding["expected"]) == ("40 × 36 × 23", "the CT's 40 × 36 × 24")


def test_scoring_refuses_a_label_that_the_inspection_would(tmp_path):
    write_image(tmp_path / "mask.nii.gz", liver(), AFFINE)
    label = write(tmp_path / "label.nii.gz", nifti(liver()[:, :, 1:]))
    with pytest.raises(LiversegError, match="patient: p7\nfile: label"):
        score_patient.main(
            tmp_path / "mask.nii.gz", label, tmp_path / "scores.json", "p7", "m", SCORED
        )


def test_label_without_affine_is_never_turned(tmp_path):
    image = along("LPS", body())
    ct = write(tmp_path / "ct.nii.gz", nifti(np.asarray(image.dataobj), image.affine))
    mask = np.asarray(along("LPS", liver()).dataobj)
    unset = {"sform_code": 0, "qform_code": 0}
    for name, content in (
        ("identity", nifti(mask, np.eye(4))),
        ("unset", nifti(mask, image.affine, fields=unset)),
    ):
        case = read_case(ct, write(tmp_path / f"{name}.nii.gz", content), "p")
        assert [repair.code for repair in case.repairs] == ["label_affine"], name
        np.testing.assert_array_equal(case.label.data, mask)


@pytest.mark.parametrize("degrees", [0, 30, 45, 60])
def test_turning_agrees_with_nibabel_at_any_obliquity(degrees):
    data = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.array([[c, -s, 0, 7], [s, c, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1]])
    affine = affine @ np.diag([1.0, 2, 3, 1])
    turn = np.array([[1, -1], [2, 1], [0, -1]])
    image = nibabel.Nifti1Image(data, affine, dtype="int64").as_reoriented(turn)
    turned = turned_onto(np.asarray(image.dataobj), image.affine, affine)
    assert turned is not None
    np.testing.assert_array_equal(turned[0], data)
    np.testing.assert_allclose(turned[1], affine, atol=1e-9)


def test_grids_that_are_no_turn_of_one_another_are_left_alone():
    data = np.zeros((2, 3, 4))
    assert turned_onto(data, np.diag([2.0, 2, 2, 1]), np.eye(4)) is None
    assert turned_onto(data, OBLIQUE, AFFINE) is None
    assert turned_onto(data, AFFINE, AFFINE) is None
    assert orientation(AFFINE) == "LAS"
