"""The mesh and picture scripts, from files to files."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trimesh
from PIL import Image

from workflow.liverseg.images import read_image, write_image
from workflow.scripts import export_mesh, render_patient, tabulate_features

SETTINGS = {
    "labels": [{"name": "liver", "values": [1, 2]}, {"name": "tumour", "values": [2]}],
    "mesh": {
        "iterations": 30, "pass_band": 0.05, "triangles": 2000, "deviation_mm": None,
        "one_piece": False,
    },
    "pictures": {"window_hu": [-110, 190], "slices": 2},
}  # fmt: skip
FORMATS = ("stl", "ply", "obj", "glb")
AFFINE = np.array([[-2.0, 0, 0, 50], [0, -2.0, 0, 60], [0, 0, 3.0, -400], [0, 0, 0, 1]])


def predict(folder: Path, *, tumour: bool, liver: bool = True) -> None:
    """Write CT, mask and probability of a ball with or without a smaller one in it."""
    grid = np.indices((24, 24, 16)) - np.array([11.5, 11.5, 7.5])[:, None, None, None]
    radius = np.sqrt((grid**2).sum(axis=0))
    classes = (radius < 6).astype(np.uint8) if liver else np.zeros(radius.shape, dtype=np.uint8)
    if tumour:
        classes[radius < 3] = 2
    write_image(folder / "mask.nii.gz", classes, AFFINE)
    chances = np.stack([classes == 1, classes == 2], axis=3)
    write_image(
        folder / "probability.nii.gz", (255 * chances).astype(np.uint8), AFFINE, slope=1 / 255
    )
    hu = np.where(radius < 11, 40, -1000) + 60 * (classes > 0) - 30 * (classes > 1)
    write_image(folder / "ct.nii.gz", hu.astype(np.int16), AFFINE)


def export(folder: Path) -> dict:
    export_mesh.main(
        image=folder / "ct.nii.gz",
        mask=folder / "mask.nii.gz",
        probability=folder / "probability.nii.gz",
        meshes=[folder / f"{region}.{kind}" for region in ("liver", "tumour") for kind in FORMATS],
        scene=folder / "scene.glb",
        record=folder / "mesh.json",
        patient="p1",
        model="unet",
        settings=SETTINGS,
    )
    return json.loads((folder / "mesh.json").read_text())


def test_tumours_that_touch_at_a_corner_are_two(tmp_path: Path):
    predict(tmp_path, tumour=False)
    mask = read_image(tmp_path / "mask.nii.gz").data.astype(np.uint8)
    mask[10, 10, 7] = mask[11, 11, 8] = 2
    write_image(tmp_path / "mask.nii.gz", mask, AFFINE)
    regions = export(tmp_path)["regions"]
    numbers = [regions[name]["features"]["pieces"]["number"] for name in ("liver", "tumour")]
    assert numbers == [1, 2]


def test_each_region_has_its_mesh_and_its_figures(tmp_path: Path):
    predict(tmp_path, tumour=True)
    record = export(tmp_path)
    for region in ("liver", "tumour"):
        figures = record["regions"][region]
        mesh = trimesh.load(tmp_path / f"{region}.stl")
        assert mesh.is_watertight
        assert mesh.volume / 1000 == pytest.approx(figures["volume_ml"], rel=1e-4)
        assert figures["volume_ml"] == pytest.approx(figures["mask_volume_ml"], rel=0.01)
        assert figures["closed_manifold"]
        assert figures["centre_offset_mm"] < 0.1
        assert figures["shift_mm"] >= 0 and abs(figures["volume_correction_percent"]) < 20
    assert record["regions"]["tumour"]["features"]["intensity_hu"]["mean"] == pytest.approx(70.0)
    assert record["regions"]["liver"]["features"]["pieces"]["number"] == 1


def test_meshes_stand_where_the_scanner_says(tmp_path: Path):
    predict(tmp_path, tumour=False)
    export(tmp_path)
    # Index 11.5, 11.5, 7.5: RAS 27, 37, -377.5 mm, hence LPS -27, -37.
    mesh = trimesh.load(tmp_path / "liver.ply")
    np.testing.assert_allclose(mesh.center_mass, [-27.0, -37.0, -377.5], atol=0.1)


def test_an_absent_region_has_valid_empty_files(tmp_path: Path):
    predict(tmp_path, tumour=False, liver=False)
    record = export(tmp_path)
    assert record["regions"]["liver"]["absent"] is True
    assert record["regions"]["tumour"]["volume_ml"] is None
    for kind in FORMATS:
        assert not trimesh.load(tmp_path / f"liver.{kind}").geometry


def test_measurements_are_gathered_in_one_table(tmp_path: Path):
    records = []
    for patient, tumour in (("a", True), ("b", False)):
        (tmp_path / patient).mkdir()
        predict(tmp_path / patient, tumour=tumour)
        export(tmp_path / patient)
        records.append(tmp_path / patient / "mesh.json")
    tabulate_features.main(records, tmp_path / "features.csv")
    table = pd.read_csv(tmp_path / "features.csv")
    assert table["region"].tolist() == ["liver", "tumour"] * 2
    assert table["pieces"].tolist() == [1, 1, 1, 0]
    assert np.isnan(table["sphericity"].iloc[3])
    tabulate_features.main([], tmp_path / "nobody.csv")
    nobody = pd.read_csv(tmp_path / "nobody.csv")
    assert nobody.empty
    assert nobody.columns.tolist() == table.columns.tolist()


@pytest.mark.parametrize("liver", [True, False])
def test_three_pictures_are_drawn_also_of_nothing(tmp_path: Path, liver: bool):
    predict(tmp_path, tumour=False, liver=liver)
    export(tmp_path)
    pictures = {name: tmp_path / f"{name}.png" for name in ("overlay", "projection", "surface")}
    render_patient.main(
        image=tmp_path / "ct.nii.gz",
        mask=tmp_path / "mask.nii.gz",
        meshes=[tmp_path / "liver.ply", tmp_path / "tumour.ply"],
        patient="p1",
        settings=SETTINGS,
        **pictures,
    )
    for path in pictures.values():
        assert np.asarray(Image.open(path).convert("L")).std() > 5


def test_a_scan_much_larger_than_its_mask_takes_no_memory_of_floats(tmp_path: Path):
    shape = (160, 160, 120)
    classes = np.zeros(shape, dtype=np.uint8, order="F")
    classes[60:80, 60:80, 50:70] = 1
    classes[66:72, 66:72, 56:62] = 2
    chances = np.asfortranarray(np.stack([classes == 1, classes == 2], axis=3) * np.uint8(255))
    write_image(tmp_path / "mask.nii.gz", classes, AFFINE)
    write_image(tmp_path / "probability.nii.gz", chances, AFFINE, slope=1 / 255)
    write_image(tmp_path / "ct.nii.gz", np.full(shape, 60, dtype=np.int16, order="F"), AFFINE)
    del chances
    tracemalloc.start()
    record = export(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The CT's 2 bytes a voxel, which are read to their end, are the most that is held at once.
    assert peak < 4 * classes.size
    assert record["regions"]["liver"]["mask_volume_ml"] == pytest.approx(20**3 * 0.012)
    mesh = trimesh.load(tmp_path / "liver.ply")
    centre = AFFINE @ [69.5, 69.5, 59.5, 1.0] * [-1, -1, 1, 1]
    np.testing.assert_allclose(mesh.center_mass, centre[:3], atol=0.1)
