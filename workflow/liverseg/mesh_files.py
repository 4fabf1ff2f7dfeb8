"""Surfaces on disk: STL, PLY and OBJ in LPS millimetres, GLB in metres with Y up."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from workflow.liverseg.files import whole
from workflow.liverseg.meshes import GLTF_FROM_LPS, Surface


def write_surface(path: Path, surface: Surface, *, name: str, colour: Sequence[int]) -> None:
    """Write one surface, whole, in the format of the suffix (.stl, .ply, .obj or .glb).

    An empty surface becomes a valid file without triangles. ValueError for another suffix.
    """
    if path.suffix not in (".stl", ".ply", ".obj", ".glb"):
        raise ValueError(f"a suffix of .stl, .ply, .obj or .glb is needed, not {path.suffix}")
    if path.suffix == ".glb":
        write_scene(path, {name: surface}, {name: (*colour, 255)})
        return
    with whole(path) as temporary:
        if surface.empty:
            temporary.write_bytes(_EMPTY[path.suffix])
        else:
            mesh = trimesh.Trimesh(surface.vertices_mm, surface.triangles, process=False)
            mesh.export(temporary, file_type=path.suffix[1:])


def write_scene(
    path: Path, surfaces: Mapping[str, Surface], colours: Mapping[str, Sequence[int]]
) -> None:
    """Write several named surfaces as one coloured glTF binary (metres, Y up), whole.

    `colours` are RGBA of 0…255; an alpha below 255 makes a surface translucent. Surfaces that are
    empty are left out; with none left the scene is valid and empty.
    """
    scene = trimesh.Scene()
    for name, surface in surfaces.items():
        if not surface.empty:
            scene.add_geometry(_gltf_mesh(surface, colours[name]), node_name=name, geom_name=name)
    with whole(path) as temporary:
        content = scene.export(file_type="glb") if scene.geometry else _empty_glb()
        temporary.write_bytes(content)


def _gltf_mesh(surface: Surface, colour: Sequence[int]) -> trimesh.Trimesh:
    material = PBRMaterial(
        baseColorFactor=list(colour),
        metallicFactor=0.0,
        roughnessFactor=0.6,
        alphaMode="OPAQUE" if colour[3] == 255 else "BLEND",
        doubleSided=colour[3] != 255,
    )
    mesh = trimesh.Trimesh(surface.vertices_mm @ GLTF_FROM_LPS.T, surface.triangles, process=False)
    mesh.visual = TextureVisuals(material=material)
    # Without normals a viewer shades each triangle flat.
    mesh.vertex_normals  # noqa: B018
    return mesh


def _empty_glb() -> bytes:
    content = json.dumps({"asset": {"version": "2.0", "generator": "liverseg"}}).encode()
    content += b" " * (-len(content) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 20 + len(content))
    return header + struct.pack("<I4s", len(content), b"JSON") + content


_EMPTY = {
    ".stl": b"\0" * 80 + np.uint32(0).tobytes(),
    ".ply": (
        b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\n"
        b"property float z\nelement face 0\nproperty list uchar int vertex_indices\nend_header\n"
    ),
    ".obj": b"# no surface\n",
}
