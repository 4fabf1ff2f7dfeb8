"""prepare_volume: a CT with or without label, through the file system."""

import numpy as np
import pytest

from workflow.liverseg.images import write_image
from workflow.liverseg.volume_files import read_volume
from workflow.scripts.prepare_volume import main

SETTINGS = {
    "labels": [{"name": "liver", "values": "positive"}, {"name": "tumour", "values": [2]}],
    "volumes": {
        "spacing_mm": 2.0,
        "window_hu": [-200, 250],
        "in_plane": {"mode": "crop_pad", "size": [16, 16]},
    },
}


@pytest.fixture
def files(tmp_path):
    hu = np.random.default_rng(0).integers(-1000, 400, (20, 18, 10)).astype(np.int16)
    label = np.zeros(hu.shape, np.uint8)
    label[4:16, 4:14, 2:8] = 1
    label[6:12, 6:12, 4:7] = 2
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    write_image(tmp_path / "ct.nii.gz", hu, affine)
    write_image(tmp_path / "label.nii.gz", label, affine)
    return tmp_path


def test_labelled_patient(files):
    main(files / "ct.nii.gz", files / "label.nii.gz", files / "p.npz", "p", SETTINGS)
    volume = read_volume(files / "p.npz")
    assert volume.image.shape == volume.label.shape == (16, 16, 10)
    assert set(np.unique(volume.label)) == {0, 1, 2}
    np.testing.assert_allclose(volume.spacing_mm, 2.0)


def test_patient_without_label(files):
    main(files / "ct.nii.gz", [], files / "p.npz", "p", SETTINGS)
    assert read_volume(files / "p.npz").label is None
