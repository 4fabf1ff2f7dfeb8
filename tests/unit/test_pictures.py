"""Pictures: orientation first, since a mirrored liver looks plausible."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from workflow.liverseg import views
from workflow.liverseg.pictures import (
    Patient,
    as_patient,
    crop_to_body,
    draw_overlay,
    draw_projection,
    draw_surface,
    find_body,
    projection_volumes,
    scene_parts,
    spread,
)
from workflow.liverseg.views import Part, Scene, draw_without_opengl, upright, view_size


def body() -> Patient:
    """A cylinder with a `liver` on the patient's right (low x), in front (low y), high up."""
    x, y, z = np.indices((40, 32, 12))
    hu = np.where(((x - 20) / 17) ** 2 + ((y - 16) / 13) ** 2 < 1, 40.0, -1000.0)
    liver = (abs(x - 12) < 5) & (abs(y - 11) < 4) & (z > 6) & (z < 11)
    hu[liver] = 110.0
    return Patient(hu.astype(np.float32), {"liver": liver}, (2.0, 2.0, 5.0))


def tetrahedron() -> Part:
    vertices = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]])
    return Part(vertices, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]), (200, 80, 0), 1)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "SPR"])
def test_any_orientation_is_shown_as_lps(codes: str):
    known = body()
    signs = {"L": 1, "R": -1, "P": 1, "A": -1, "S": 1, "I": -1}
    axis_of = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
    order = [axis_of[code] for code in codes]
    turn = tuple(slice(None, None, signs[code]) for code in codes)
    affine = np.zeros((4, 4))
    for axis, code in enumerate(codes):
        to_ras = signs[code] * (1 if axis_of[code] == 2 else -1)
        affine[axis_of[code], axis] = to_ras * known.spacing_mm[axis_of[code]]
    affine[3, 3] = 1
    stored = known.hu.transpose(order)[turn]
    mask = known.regions["liver"].transpose(order)[turn]
    shown = as_patient(stored, {"liver": mask}, affine)
    np.testing.assert_array_equal(shown.hu, known.hu)
    np.testing.assert_array_equal(shown.regions["liver"], known.regions["liver"])
    assert shown.spacing_mm == known.spacing_mm


def coloured(path: Path) -> np.ndarray:
    """Where a picture is neither grey nor nearly so."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return pixels.max(axis=2) - pixels.min(axis=2) > 60


def test_the_overlay_shows_the_liver_on_the_left_of_the_picture(tmp_path: Path):
    path = tmp_path / "overlay.png"
    draw_overlay(path, body(), window_hu=(-110, 190), slices=1)
    axial = coloured(path)[: int(0.42 * Image.open(path).height), : Image.open(path).width // 2]
    rows, columns = np.nonzero(axial)
    assert columns.mean() < axial.shape[1] / 2
    assert rows.mean() < axial.shape[0] * 0.6


def test_an_absent_region_is_drawn_as_a_scan_without_outline(tmp_path: Path):
    known = body()
    nothing = Patient(known.hu, {"liver": np.zeros_like(known.regions["liver"])}, known.spacing_mm)
    draw_overlay(tmp_path / "overlay.png", nothing, window_hu=(-110, 190), slices=4)
    shown = coloured(tmp_path / "overlay.png")
    assert shown[: int(0.85 * shown.shape[0])].sum() == 0


def test_equal_patients_give_equal_pictures(tmp_path: Path):
    for name in ("one.png", "two.png"):
        draw_overlay(tmp_path / name, body(), window_hu=(-110, 190), slices=2)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_slices_spread_over_the_region_from_above():
    mask = np.zeros((3, 3, 50), dtype=bool)
    mask[1, 1, 10:31] = True
    assert spread(mask, 3) == [28, 20, 12]


def test_a_scan_of_few_slices_shows_each_once():
    mask = np.zeros((3, 3, 2), dtype=bool)
    assert spread(mask, 6) == [1, 0]


def test_the_table_is_cut_away():
    known = body()
    table = known.hu.copy()
    table[:, 30:, :] = 100.0
    found = find_body(np.pad(table, ((20, 20), (0, 20), (0, 0)), constant_values=-1000))
    assert not found[:, 31:].any()
    assert crop_to_body(known).hu.shape[0] <= 40


def test_air_is_cut_away_with_a_margin_however_fine_the_pixels():
    x, y, _ = np.indices((160, 120, 14))
    inside = ((x - 90) / 50) ** 2 + ((y - 60) / 40) ** 2 < 1  # from 41 to 139, and from 21 to 99
    hu = np.where(inside, 40.0, -1000.0).astype(np.float32)
    shown = crop_to_body(Patient(hu, {"liver": inside}, (0.7, 0.7, 1.0)))
    assert shown.regions["liver"].sum() == inside.sum()
    columns, rows, slices = shown.hu.shape
    assert 99 + 2 * 4 <= columns <= 99 + 2 * 8
    assert 79 + 2 * 4 <= rows <= 79 + 2 * 8
    assert slices == 14


def test_a_projection_has_cubic_voxels_and_the_region_alone():
    _, inner = projection_volumes(body())
    assert inner.shape == (40, 32, 30)
    assert inner[12, 11, 20] > 0
    assert inner[28, 20, 20] == 0


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, np.ndarray]]:
    """The views of one scene through OpenGL (where there is one) and without."""
    scene = Scene(projection_volumes(body())[1], (tetrahedron(),))
    return {"opengl": views.draw_views(scene), "numpy": draw_without_opengl(scene)}


@pytest.mark.parametrize("way", ["opengl", "numpy"])
def test_projections_look_from_the_front_and_from_the_right(drawn, way: str):
    _, inner = projection_volumes(body())
    shown = drawn[way]
    front, right = shown["projection-front"], shown["projection-right"]
    assert front.shape[::-1] == view_size(inner.shape, 1)
    assert right.shape[::-1] == view_size(inner.shape, 0)
    rows, columns = np.nonzero(front > 20)
    assert columns.mean() < front.shape[1] / 2, "the patient's right is on the left"
    assert rows.mean() < front.shape[0] / 2, "superior is up"
    _, columns = np.nonzero(right > 20)
    assert columns.mean() > right.shape[1] / 2, "seen from the right, anterior is right"
    assert (shown["surface-front"].min(axis=2) < 200).mean() > 0.02


@pytest.mark.parametrize("name", ["projection-front", "projection-right"])
def test_ray_casting_agrees_with_the_largest_value_along_the_rays(drawn, name: str):
    difference = np.abs(drawn["opengl"][name].astype(int) - drawn["numpy"][name].astype(int))
    assert np.mean(difference > 40) < 0.05


@pytest.mark.parametrize("name", ["surface-front", "surface-back"])
def test_surfaces_fill_the_same_pixels_with_and_without_opengl(drawn, name: str):
    by_opengl, plain = (drawn[way][name].min(axis=2) < 230 for way in ("opengl", "numpy"))
    assert (by_opengl & plain).sum() / (by_opengl | plain).sum() > 0.95


def test_upright_turns_superior_up():
    flat = np.zeros((3, 4))
    flat[0, 3] = 1  # right, top
    assert upright(flat, 1)[0, 0] == 1
    assert upright(flat, 0)[0, 2] == 1


def test_without_opengl_the_views_are_computed(monkeypatch, capfd):
    class Failed:
        returncode = -11

    monkeypatch.setattr(views.subprocess, "run", lambda *_, **__: Failed())
    shown = views.draw_views(Scene(np.zeros((4, 4, 4), dtype=np.uint8), (tetrahedron(),)))
    assert "libegl1" in capfd.readouterr().err
    assert (shown["surface-front"] < 255).any()


def test_pictures_of_nothing_say_so(tmp_path: Path):
    known = body()
    nothing = Patient(known.hu, {"liver": np.zeros_like(known.regions["liver"])}, known.spacing_mm)
    body_shown, inner = projection_volumes(nothing)
    shown = draw_without_opengl(Scene(inner, ()))
    draw_projection(tmp_path / "projection.png", nothing, body_shown, shown)
    draw_surface(tmp_path / "surface.png", shown, parts={})
    assert Image.open(tmp_path / "projection.png").size[0] > 500
    assert np.asarray(Image.open(tmp_path / "surface.png").convert("L")).min() < 128, "the words"


def test_several_surfaces_show_the_first_translucent(tmp_path: Path):
    from workflow.liverseg.mesh_files import write_surface
    from workflow.liverseg.meshes import EMPTY, Surface

    surface = Surface(tetrahedron().vertices_mm, tetrahedron().triangles)
    paths = {name: tmp_path / f"{name}.ply" for name in ("liver", "tumour", "cyst")}
    for name, path in paths.items():
        write_surface(path, EMPTY if name == "cyst" else surface, name=name, colour=(1, 2, 3))
    parts = scene_parts(paths)
    assert list(parts) == ["liver", "tumour"]
    assert parts["liver"].opacity < 1 == parts["tumour"].opacity
