"""The small picture lies as a radiologist expects it, however the scan is stored."""

import base64
import itertools
from pathlib import Path

import numpy as np
import pytest

from tests.intake_cases import AFFINE, body, nifti, write
from workflow.liverseg.nifti_stream import read_volume
from workflow.liverseg.thumbnails import png, thumbnail


def picture(folder: Path, data: np.ndarray, affine: np.ndarray) -> str:
    return thumbnail(read_volume(write(folder / "x.nii", nifti(data, affine)), "ct"))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_picture_does_not_depend_on_the_order_of_axes(tmp_path, axes):
    order = np.eye(4)
    order[:3, :3] = np.eye(3)[:, axes]
    turned = picture(tmp_path, body().transpose(axes), AFFINE @ order)
    assert turned == picture(tmp_path, body(), AFFINE)


def test_right_of_the_patient_is_on_the_left_of_the_picture(tmp_path):
    from PIL import Image

    data = np.full((20, 20, 9), -1000, np.int16)
    data[12:, 4:16, :] = 200  # RAS: high i is the patient's right
    content = base64.b64decode(picture(tmp_path, data, np.diag([2.0, 2, 2, 1])))
    (tmp_path / "p.png").write_bytes(content)
    grey = np.asarray(Image.open(tmp_path / "p.png"))
    assert grey.shape == (128, 128)
    assert grey[64, :40].mean() > 200 > 50 > grey[64, 90:].mean()


def test_png_is_readable(tmp_path):
    from PIL import Image

    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (tmp_path / "p.png").write_bytes(png(grey))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "p.png")), grey)
