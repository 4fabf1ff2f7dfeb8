"""Room is estimated from headers, from sizes of files and from settings; no voxel is read."""

from pathlib import Path

import numpy as np
import pytest

from workflow.liverseg import space
from workflow.liverseg.images import write_image
from workflow.liverseg.patients import Patient

SETTINGS = {
    "volumes": {"spacing_mm": [2.0, 2.0, None], "in_plane": {"mode": "keep"}},
    "train": ["a"],
    "cross_validation": {"folds": None},
    "phantoms": {"in_plane_pixels": [96, 100], "slices": [24, 40]},
}
FIXED = space.MODEL_BYTES + space.SURFACES_AND_PICTURES_BYTES


def nifti(image: Path, **values: object) -> Patient:
    return Patient("p", image, None, "p", **values)  # type: ignore[arg-type]


def test_a_ct_counts_by_its_prepared_and_its_own_voxels(tmp_path: Path) -> None:
    ct = tmp_path / "ct.nii.gz"
    write_image(ct, np.zeros((40, 40, 10), np.int16), np.diag([1.0, 1.0, 5.0, 1.0]))
    needed = space.space_needed([nifti(ct)], SETTINGS)
    assert needed == pytest.approx(FIXED + 6 * 20 * 20 * 10 + 0.3 * 16000)


def test_each_fold_is_a_model() -> None:
    folds = {**SETTINGS, "cross_validation": {"folds": 5}}
    assert space.space_needed([], folds) == 5 * space.space_needed([], SETTINGS) > 0


def test_a_ct_of_corrected_spacing_is_written_once_more(tmp_path: Path) -> None:
    ct = tmp_path / "ct.nii.gz"
    write_image(ct, np.zeros((40, 40, 10), np.int16), np.diag([1.0, 1.0, 5.0, 1.0]))
    plain = space.space_needed([nifti(ct)], SETTINGS)
    respaced = nifti(tmp_path / "not made yet.nii.gz", unspaced={"ct": ct})
    assert space.space_needed([respaced], SETTINGS) == pytest.approx(plain + 1.5 * 16000)


def test_a_series_counts_by_the_size_of_its_files(tmp_path: Path) -> None:
    slices = [tmp_path / f"{number}.dcm" for number in range(10)]
    for path in slices:
        path.write_bytes(bytes(2 * 512 * 512))
    made = Path("results/imported/p/ct.nii.gz")
    series = Patient("p", made, None, "p", kind="dicom", image_sources=tuple(slices))
    voxels, prepared = 512 * 512 * 10, 200 * 200 * 10  # 400 mm at 2 mm
    expected = FIXED + 6 * prepared + (0.3 + 1.5) * voxels
    assert space.space_needed([series], SETTINGS) == pytest.approx(expected)


def test_a_phantom_counts_by_the_largest_that_the_settings_draw() -> None:
    made = Path("results/phantoms/phantom-01/ct.nii.gz")
    phantom = Patient("phantom-01", made, None, "phantom-01", kind="phantom")
    voxels, prepared = 100 * 100 * 40, 200 * 200 * 40
    expected = FIXED + 6 * prepared + (0.3 + 1.5) * voxels
    assert space.space_needed([phantom], SETTINGS) == pytest.approx(expected)


def test_an_unreadable_ct_needs_none(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("<html>")
    (tmp_path / "b.nii").write_bytes(b"")
    (tmp_path / "c.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 50)  # not deflate
    broken = [tmp_path / name for name in ("a.nii.gz", "b.nii", "c.nii.gz", "absent.nii")]
    assert space.space_needed(map(nifti, broken), SETTINGS) == space.MODEL_BYTES
    gone = Patient("p", broken[-1], None, "p", kind="dicom", image_sources=(tmp_path / "1.dcm",))
    assert space.space_needed([gone], SETTINGS) == space.MODEL_BYTES


def test_too_little_is_a_warning_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert space.space_note([], SETTINGS, tmp_path).startswith("Space: about 0.4 GB")
    monkeypatch.setattr(space, "MODEL_BYTES", 1e18)
    assert space.space_note([], SETTINGS, tmp_path).startswith(
        "WARNING: space: about 1000000000.0 GB"
    )
