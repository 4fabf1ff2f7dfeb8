"""Reading a pair: HU and values as they are, repairs said, faults as errors that help."""

import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.intake_cases import AFFINE, body, liver, nifti, write
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.findings import Rejection
from workflow.liverseg.intake import read_case, whole_numbers
from workflow.liverseg.nifti_stream import read_volume


def read(folder: Path, ct: bytes, label: bytes | None = None):
    image = write(folder / "ct.nii.gz", ct)
    mask = None if label is None else write(folder / "label.nii.gz", label)
    return read_case(image, mask, "p7")


def test_slope_and_intercept_give_hu(tmp_path):
    stored = ((body().astype(int) + 1024) // 2).astype(np.uint16)
    case = read(tmp_path, nifti(stored, fields={"scl_slope": 2, "scl_inter": -1024}))
    np.testing.assert_array_equal(case.image.data, stored * 2.0 - 1024)
    assert case.image.data.dtype == np.float32


def test_label_off_by_rounding_is_taken_on_the_cts_grid(tmp_path):
    near = AFFINE + np.eye(4)[:, [3, 3, 3, 0]] * 0.001
    case = read(tmp_path, nifti(body()), nifti(liver(), near))
    np.testing.assert_array_equal(case.label.affine, case.image.affine)
    assert case.repairs == []


def test_repairs_are_returned(tmp_path):
    case = read(tmp_path, nifti(body()[..., None]), nifti(liver(), np.eye(4)))
    assert [finding.code for finding in case.repairs] == ["singleton_axis", "label_affine"]
    assert case.image.data.shape == case.label.data.shape == body().shape


def test_float_label_becomes_whole_numbers(tmp_path):
    case = read(tmp_path, nifti(body()), nifti(liver().astype(np.float64)))
    assert case.label.data.dtype.kind in "iu"
    np.testing.assert_array_equal(case.label.data, liver())


@pytest.mark.parametrize("value", [255, 256, 70_000, 3_000_000_000, -1])
def test_float_label_keeps_its_values_whatever_they_are(tmp_path, value):
    path = write(tmp_path / "x.nii", nifti(liver().astype(np.float64) * value))
    whole = whole_numbers(read_volume(path, "label"))
    assert whole.dtype.kind in "iu"
    np.testing.assert_array_equal(whole, liver().astype(np.int64) * value)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_label_takes_one_more_byte_a_voxel(tmp_path, kind):
    shape = (80, 80, 100)
    label = read_volume(write(tmp_path / "x.nii", nifti(liver(shape).astype(kind))), "label")
    tracemalloc.start()
    whole_numbers(label)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * label.voxels.size


def test_fault_is_an_error_that_names_patient_part_and_remedy(tmp_path):
    with pytest.raises(LiversegError, match=r"patient: p7\nfile: label(.|\n)*never resized"):
        read(tmp_path, nifti(body()), nifti(liver((40, 36, 20))))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("forms", [(1, 1), (0, 2), (3, 0), (0, 0)])
@pytest.mark.parametrize("kind", ["i2", "u1", "f4", "i8"])
def test_volume_is_as_nibabel_reads_it(tmp_path, version, order, forms, kind):
    turned = AFFINE @ np.array([[0, 0.6, -0.8, 0], [1, 0, 0, 0], [0, 0.8, 0.6, 0], [0, 0, 0, 1]])
    data = (body((6, 7, 8)) % 100).astype(kind)
    codes = {"sform_code": forms[0], "qform_code": forms[1]}
    content = nifti(data, turned, order=order, version=version, fields=codes)
    path = write(tmp_path / "x.nii", content)
    volume, theirs = read_volume(path, "ct"), nibabel.load(path)
    np.testing.assert_array_equal(volume.voxels, theirs.get_fdata())
    np.testing.assert_allclose(volume.header.affine, theirs.affine, atol=1e-3)


def test_extensions_are_counted_and_skipped(tmp_path):
    text = b"\x01\0\0\0" + np.array([32, 2], "<i4").tobytes() + b"DOE^JANE".ljust(24, b"\0")
    path = write(tmp_path / "x.nii.gz", nifti(body(), front=text))
    volume = read_volume(path, "ct")
    assert volume.extensions == (2,)
    np.testing.assert_array_equal(volume.voxels, body())


@pytest.mark.parametrize(("degrees", "refused"), [(0.4, False), (0.7, True), (20, True)])
def test_a_sheared_affine_is_refused_beyond_half_a_degree(tmp_path, degrees, refused):
    tilted = AFFINE.copy()
    tilted[1, 2] = AFFINE[2, 2] * np.tan(np.radians(degrees))
    path = write(tmp_path / "x.nii", nifti(body(), fields={"srow": tilted[:3]}))
    if not refused:
        assert read_volume(path, "ct").header.affine_from == "sform"
        return
    with pytest.raises(Rejection) as caught:
        read_volume(path, "ct")
    assert caught.value.finding.code == "affine_sheared"
    assert f"{degrees:.1f}°" in caught.value.finding.found
