"""Three-dimensional views of one patient: ray-cast projections and shaded surfaces, off screen.

vedo draws them through OpenGL, which VTK ends with a crash of the whole process where a machine
has no library for it. So it draws in a process of its own (`python -m workflow.liverseg.views`),
and where that one fails the views are computed here: plainer, but there.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import vedo

PIXELS = 640  # longest side of a view
PROJECTIONS = {"front": 1, "right": 0}  # axis of the rays in an LPS array
# Where the camera stands, as directions in LPS: in front, a little from the right and above;
# behind and below, where the porta hepatis is.
CAMERAS = {"front": (-0.35, -1.0, 0.3), "back": (0.25, 0.8, -0.55)}
BACKGROUND = 255
OPENGL_SECONDS = 300


@dataclass(frozen=True)
class Part:
    """One surface of a scene: vertices (n, 3) LPS mm, triangles (m, 3), RGB 0…255, opacity 0…1."""

    vertices_mm: np.ndarray
    triangles: np.ndarray
    colour: tuple[int, int, int]
    opacity: float


@dataclass(frozen=True)
class Scene:
    """What the views show: brightness (x, y, z) uint8 along L, P, S, cubic voxels; surfaces."""

    brightness: np.ndarray
    parts: tuple[Part, ...]


def draw_views(scene: Scene) -> dict[str, np.ndarray]:
    """Views by name: `projection-*` (h, w) uint8 grey, `surface-*` (h, w, 3) uint8.

    A projection is as high and wide as PIXELS allows for the shape of the array, patient's
    superior up, and seen from the front with the patient's right on the left.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _save(scene, work / "scene.npz")
        environment = dict(os.environ)
        root = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
        if sys.platform == "linux" and not environment.get("DISPLAY"):
            environment.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        command = [sys.executable, "-m", "workflow.liverseg.views", folder]
        try:
            ended = subprocess.run(command, env=environment, timeout=OPENGL_SECONDS).returncode
        except subprocess.TimeoutExpired:
            ended = -1
        if ended == 0:
            with np.load(work / "views.npz") as views:
                return {name: views[name] for name in views.files}
    print(
        f"OpenGL drew nothing (exit status {ended}); the views are computed without it. "
        "On Debian or Ubuntu, libegl1 and libgl1-mesa-dri give vedo what it needs.",
        file=sys.stderr,
    )
    return draw_without_opengl(scene)


def draw_with_vedo(scene: Scene) -> dict[str, np.ndarray]:
    """The views through vedo's ray caster and renderer; needs OpenGL (EGL, OSMesa or a display)."""
    views = {f"projection-{name}": _ray_cast(scene.brightness, axis) for name, axis in
             PROJECTIONS.items()}  # fmt: skip
    for name, direction in CAMERAS.items():
        views[f"surface-{name}"] = _shade(scene.parts, np.array(direction))
    return views


def draw_without_opengl(scene: Scene) -> dict[str, np.ndarray]:
    """The same views by NumPy alone: largest value along an axis, splatted triangles."""
    views = {}
    for name, axis in PROJECTIONS.items():
        flat = upright(scene.brightness.max(axis=axis), axis)
        width, height = view_size(scene.brightness.shape, axis)
        zoomed = ndimage.zoom(flat, (height / flat.shape[0], width / flat.shape[1]), order=1)
        views[f"projection-{name}"] = zoomed
    for name, direction in CAMERAS.items():
        views[f"surface-{name}"] = _splat(scene.parts, np.array(direction))
    return views


def upright(flat: np.ndarray, axis: int) -> np.ndarray:
    """Turn a projection (u, z) along an LPS axis into an image: superior up, seen from outside.

    Along axis 1 the patient's right comes left; along axis 0, seen from the right, anterior
    comes right.
    """
    image = flat.T[::-1]
    return image[:, ::-1] if axis == 0 else image


def view_size(shape: Sequence[int], axis: int) -> tuple[int, int]:
    """Width and height in pixels of a projection along `axis`, the longer one PIXELS."""
    wide, high = shape[1 - axis], shape[2]
    scale = PIXELS / max(wide, high)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def _ray_cast(brightness: np.ndarray, axis: int) -> np.ndarray:
    import vedo

    width, height = view_size(brightness.shape, axis)
    volume = vedo.Volume(brightness).mode(1)  # 1: maximum intensity projection
    volume.color([(0, "black"), (255, "white")]).alpha([(0, 1.0), (255, 1.0)])
    volume.properties.SetInterpolationTypeToLinear()
    plotter = vedo.Plotter(offscreen=True, size=(width, height), bg="black")
    middle = (np.array(brightness.shape) - 1) / 2.0
    away = np.zeros(3)
    away[axis] = -4.0 * max(brightness.shape)
    plotter.add(volume)
    return _picture(plotter, middle + away, middle, brightness.shape[2] / 2.0)[..., 0].copy()


def _picture(
    plotter: "vedo.Plotter", position: np.ndarray, middle: np.ndarray, half_height: float
) -> np.ndarray:
    """What a plotter shows (h, w, 3) in parallel projection; drawn once, unlike by `show`."""
    camera = plotter.camera
    camera.SetPosition(position)
    camera.SetFocalPoint(middle)
    camera.SetViewUp(0, 0, 1)
    camera.ParallelProjectionOn()
    camera.SetParallelScale(half_height)
    plotter.renderer.ResetCameraClippingRange()
    picture = np.asarray(plotter.screenshot(asarray=True))
    plotter.close()
    return picture


def _shade(parts: Sequence[Part], direction: np.ndarray) -> np.ndarray:
    import vedo

    plotter = vedo.Plotter(offscreen=True, size=(PIXELS, PIXELS), bg="white")
    meshes = []
    for part in parts:
        mesh = vedo.Mesh([part.vertices_mm, part.triangles]).c(part.colour).alpha(part.opacity)
        mesh.compute_normals().phong()
        mesh.lighting(ambient=0.2, diffuse=0.85, specular=0.12, specular_power=12)
        if part.opacity < 1:
            # Its far side would tint what lies within twice; and depth peeling needs a GPU.
            mesh.backface_culling()
        meshes.append(mesh)
    middle, radius = _sphere(parts)
    position = middle + direction / np.linalg.norm(direction) * 4.0 * radius
    plotter.add(*meshes)
    return _picture(plotter, position, middle, radius * 0.9)[..., :3].copy()


def _splat(parts: Sequence[Part], direction: np.ndarray) -> np.ndarray:
    """Paint points of each triangle, nearest last, shaded by a light at the camera."""
    image = np.full((PIXELS, PIXELS, 3), float(BACKGROUND))
    middle, radius = _sphere(parts)
    towards = direction / np.linalg.norm(direction)
    right = np.cross(-towards, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    up = np.cross(right, -towards)
    scale = PIXELS / (2 * radius * 0.9)
    mixes = np.array([[a, b, 4 - a - b] for a in range(5) for b in range(5 - a)]) / 4.0
    for part in sorted(parts, key=lambda part: part.opacity, reverse=True):
        corners = _split_to(part.vertices_mm[part.triangles], 8.0 / scale)
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        light = normals @ towards / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
        seen = light > 0
        points = (mixes @ (corners[seen] - middle)).reshape(-1, 3)
        shade = np.repeat(0.25 + 0.75 * light[seen], len(mixes))
        column = np.clip(PIXELS / 2 + points @ right * scale, 0, PIXELS - 1).astype(int)
        row = np.clip(PIXELS / 2 - points @ up * scale, 0, PIXELS - 1).astype(int)
        order = np.argsort(points @ towards)
        layer = np.zeros((PIXELS, PIXELS))
        layer[row[order], column[order]] = shade[order]
        layer = np.where(layer > 0, layer, ndimage.median_filter(layer, 5))
        shown = (layer > 0)[..., None] * part.opacity
        image = image * (1 - shown) + shown * layer[..., None] * np.array(part.colour)
    return image.astype(np.uint8)


def _split_to(corners: np.ndarray, longest: float) -> np.ndarray:
    """Quarter triangles (n, 3, 3) until none has an edge longer than `longest`."""
    done = []
    while len(corners):
        edges = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        large = edges.max(axis=1) > longest
        done.append(corners[~large])
        a, b, c = corners[large].transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        quarters = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        corners = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    return np.concatenate(done) if done else corners


def _sphere(parts: Sequence[Part]) -> tuple[np.ndarray, float]:
    if not parts:
        return np.zeros(3), 1.0
    vertices = np.concatenate([part.vertices_mm for part in parts])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (low + high) / 2, float(np.linalg.norm(high - low) / 2)


def _save(scene: Scene, path: Path) -> None:
    arrays = {"brightness": scene.brightness}
    for number, part in enumerate(scene.parts):
        arrays |= {
            f"vertices-{number}": part.vertices_mm,
            f"triangles-{number}": part.triangles,
            f"look-{number}": np.array([*part.colour, part.opacity]),
        }
    np.savez(path, allow_pickle=False, **arrays)


def _load(path: Path) -> Scene:
    with np.load(path) as stored:
        parts = []
        for number in range((len(stored.files) - 1) // 3):
            red, green, blue, opacity = stored[f"look-{number}"]
            parts.append(
                Part(
                    stored[f"vertices-{number}"],
                    stored[f"triangles-{number}"],
                    (int(red), int(green), int(blue)),
                    float(opacity),
                )
            )
        return Scene(stored["brightness"], tuple(parts))


if __name__ == "__main__":
    work_folder = Path(sys.argv[1])
    np.savez(
        work_folder / "views.npz",
        allow_pickle=False,
        **draw_with_vedo(_load(work_folder / "scene.npz")),
    )
