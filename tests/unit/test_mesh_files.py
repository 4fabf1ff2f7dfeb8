"""Mesh files as other programs read them."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh
import vedo

from workflow.liverseg.mesh_files import write_scene, write_surface
from workflow.liverseg.meshes import EMPTY, Surface

TETRAHEDRON = Surface(
    np.array([[0.0, 0, 0], [10, 0, 0], [0, 20, 0], [0, 0, 30]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


@pytest.mark.parametrize("suffix", ["stl", "ply", "obj"])
def test_vtk_reads_back_what_was_written(tmp_path: Path, suffix: str):
    path = tmp_path / f"liver.{suffix}"
    write_surface(path, TETRAHEDRON, name="liver", colour=(1, 2, 3))
    read = vedo.load(str(path))
    np.testing.assert_allclose(read.bounds(), [0, 10, 0, 20, 0, 30])
    assert read.volume() == pytest.approx(1000.0)


def test_glb_is_in_metres_with_y_up_and_z_to_the_front(tmp_path: Path):
    path = tmp_path / "liver.glb"
    write_surface(path, TETRAHEDRON, name="liver", colour=(1, 2, 3))
    mesh = trimesh.load(path).to_mesh()
    # L stays x, S becomes y, and P, the depth, -z.
    np.testing.assert_allclose(mesh.bounds, [[0, 0, -0.020], [0.010, 0.030, 0]], atol=1e-9)
    assert mesh.volume == pytest.approx(1e-6)


def gltf(path: Path) -> dict:
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON"
    return json.loads(content[20 : 20 + size])


def test_a_scene_has_a_translucent_liver_around_its_tumour(tmp_path: Path):
    path = tmp_path / "scene.glb"
    colours = {"liver": (230, 159, 0, 90), "tumour": (86, 180, 233, 255)}
    write_scene(path, {"liver": TETRAHEDRON, "tumour": TETRAHEDRON}, colours)
    content = gltf(path)
    assert {mesh["name"] for mesh in content["meshes"]} == {"liver", "tumour"}
    modes = [material.get("alphaMode", "OPAQUE") for material in content["materials"]]
    assert sorted(modes) == ["BLEND", "OPAQUE"]
    assert all("NORMAL" in mesh["primitives"][0]["attributes"] for mesh in content["meshes"])


@pytest.mark.parametrize("suffix", ["stl", "ply", "obj", "glb"])
def test_an_empty_surface_is_a_valid_file(tmp_path: Path, suffix: str):
    path = tmp_path / f"liver.{suffix}"
    write_surface(path, EMPTY, name="liver", colour=(1, 2, 3))
    assert not trimesh.load(path).geometry
    if suffix == "glb":
        assert gltf(path)["asset"]["version"] == "2.0"


def test_a_scene_leaves_out_what_is_absent(tmp_path: Path):
    path = tmp_path / "scene.glb"
    colours = {"liver": (230, 159, 0, 90), "tumour": (86, 180, 233, 255)}
    write_scene(path, {"liver": TETRAHEDRON, "tumour": EMPTY}, colours)
    assert [mesh["name"] for mesh in gltf(path)["meshes"]] == ["liver"]


def test_equal_surfaces_give_equal_bytes(tmp_path: Path):
    for suffix in ("stl", "ply", "obj", "glb"):
        paths = [tmp_path / f"{number}.{suffix}" for number in (1, 2)]
        for path in paths:
            write_surface(path, TETRAHEDRON, name="liver", colour=(1, 2, 3))
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_unknown_format_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.vtk"):
        write_surface(tmp_path / "liver.vtk", TETRAHEDRON, name="liver", colour=(1, 2, 3))
