"""The windows of the desktop viewer, on a display that only exists in memory."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import write_json
from workflow.liverseg.images import write_image
from workflow.liverseg.viewers import WAYS, files_to_view, load_volume, open_viewer

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


def results(folder: Path) -> Path:
    """Results of one model and two patients: `p1` with a tumour, `p2` with nothing found."""
    for patient, absent in (("p1", False), ("p2", True)):
        (folder / "predictions/laptop" / patient).mkdir(parents=True)
        regions = {name: {"absent": absent} for name in ("liver", "tumour")}
        write_json(folder / "meshes/laptop" / patient / "mesh.json", {"regions": regions})
    return folder


def test_the_model_need_not_be_named_where_there_is_one(tmp_path: Path):
    found = files_to_view(results(tmp_path), way="slices", what="mask", patient="p1")
    assert found == [tmp_path / "predictions/laptop/p1/mask.nii.gz"]
    (tmp_path / "predictions/other/p1").mkdir(parents=True)
    with pytest.raises(LiversegError, match=r"laptop, other(?s:.*)MODEL=laptop"):
        files_to_view(tmp_path, way="slices", what="mask", patient="p1")


def test_a_mesh_is_of_all_regions_or_of_one(tmp_path: Path):
    folder = results(tmp_path) / "meshes/laptop/p1"
    every = files_to_view(tmp_path, way="mesh", what="", patient="p1")
    assert every == [folder / "liver.ply", folder / "tumour.ply"]
    assert files_to_view(tmp_path, way="mesh", what="tumour", patient="p1") == every[1:]
    with pytest.raises(LiversegError, match="nothing was predicted as liver or tumour"):
        files_to_view(tmp_path, way="mesh", what="", patient="p2")
    with pytest.raises(LiversegError, match="WHAT: one of liver, tumour"):
        files_to_view(tmp_path, way="mesh", what="spleen", patient="p1")


def test_the_ct_is_the_one_that_the_workflow_reads(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = {"way": "slices", "what": "ct", "patient": "one"}
    for nowhere in ("", "demo"):
        with pytest.raises(LiversegError, match="PATIENTS=/data/my-cts"):
            files_to_view(Path("results"), **asked, cohort=nowhere)
    own = tmp_path / "data/one.nii.gz"
    own.parent.mkdir()
    own.touch()
    assert files_to_view(Path("results"), **asked, cohort="data") == [own]
    for kind in ("phantoms", "imported", "respaced"):
        made = Path("results") / kind / "one/ct.nii.gz"
        made.parent.mkdir(parents=True)
        made.touch()
        assert files_to_view(Path("results"), **asked, cohort="data") == [made]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--patient", "p11"], "PATIENT: one of p1"),
        ([], "no PATIENT"),
        (["--patient", "p1", "--what", "msak"], "WHAT: one of mask"),
        (["--patient", "p1"], "run the workflow first"),
        (["--patient", "p1", "--results", "nowhere"], "DIR="),
    ],
)
def test_what_cannot_be_shown_is_told_without_a_traceback(
    tmp_path: Path, arguments: list[str], told: str
):
    command = [sys.executable, "-m", "workflow.scripts.view_patient"]
    command += ["--results", str(results(tmp_path)), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_way_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="hologram"):
        open_viewer("hologram", [tmp_path])
