"""The windows of the desktop viewer, on a display that only exists in memory."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.images import write_image
from workflow.liverseg.viewers import WAYS, file_to_view, load_volume, open_viewer

ROOT = Path(__file__).resolve().parents[2]


def ball(folder: Path) -> Path:
    grid = np.indices((30, 28, 16)) - np.array([14.5, 13.5, 7.5])[:, None, None, None]
    hu = np.where((grid**2).sum(axis=0) < 60, 110, -1024).astype(np.int16)
    affine = np.diag([-2.0, -2.0, 4.0, 1.0])
    write_image(folder / "masked_ct.nii.gz", hu, affine)
    return folder / "masked_ct.nii.gz"


@pytest.mark.parametrize("way", WAYS)
def test_each_window_opens_and_shows_something(tmp_path: Path, way: str):
    if not shutil.which("xvfb-run"):
        pytest.skip("xvfb-run is not installed: no display to open a window on")
    shown = ball(tmp_path)
    if way == "mesh":
        from workflow.liverseg.mesh_files import write_surface
        from workflow.liverseg.meshes import Surface

        corners = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
        faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        shown = tmp_path / "liver.ply"
        write_surface(shown, Surface(corners, faces), name="liver", colour=(1, 2, 3))
    picture = tmp_path / "window.png"
    command = ["xvfb-run", "-a", sys.executable, "-m", "workflow.scripts.view_patient",
               "--file", str(shown), "--way", way, "--screenshot", str(picture)]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    pixels = np.asarray(Image.open(picture).convert("L"))
    assert pixels.std() > 5


def test_a_volume_is_in_millimetres_along_right_front_and_head(tmp_path: Path):
    volume = load_volume(ball(tmp_path), longest=20)
    assert volume.dimensions().tolist() == [15, 14, 16]
    np.testing.assert_allclose(volume.spacing(), [4.0, 4.0, 4.0])


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    path = file_to_view(tmp_path, way="slices", what="mask", patient="p1", model="unet3d")
    assert path == tmp_path / "predictions" / "unet3d" / "p1" / "mask.nii.gz"
    with pytest.raises(LiversegError, match=r"p1/mask\.nii\.gz"):
        open_viewer("slices", path)


def test_an_unknown_way_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="hologram"):
        open_viewer("hologram", tmp_path)
