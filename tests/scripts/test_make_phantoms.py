"""`make_phantoms` writes both files of a patient."""

from pathlib import Path

from workflow.liverseg.images import read_image
from workflow.liverseg.settings import read_config
from workflow.scripts.make_phantoms import main

DEFAULTS = read_config(Path(__file__).parents[2] / "config/config.yaml")["phantoms"]


def test_writes_a_ct_and_its_label(tmp_path: Path):
    settings = {**DEFAULTS, "in_plane_pixels": [32, 40], "slices": [16, 20]}
    ct, label = tmp_path / "a/ct.nii.gz", tmp_path / "a/label.nii.gz"
    main(ct, label, "phantom-05", {"phantoms": settings})
    image, mask = read_image(ct), read_image(label, None)
    assert image.data.shape == mask.data.shape
    assert set(mask.data.ravel()) <= {0, 1, 2}
