"""Pictures of one patient: CT slices with the mask's outline, projection, surface.

Slices are shown as radiologists see them: the patient's right on the left of the picture,
anterior up in axial slices, superior up in the others; letters at the edges say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import trimesh
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from scipy import ndimage

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.colours import region_colour, rgb
from workflow.liverseg.files import whole
from workflow.liverseg.views import Part

matplotlib.use("agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DARK, LIGHT = "#101418", "#E8ECEF"
BODY_HU = -300.0
GLANCE_MM = (2.0, 2.0, 6.0)  # how fine the body is looked for where air is cut away


@dataclass(frozen=True)
class Patient:
    """One CT and its regions, all (x, y, z) running to L, P, S, voxels `spacing_mm` apart."""

    hu: np.ndarray
    regions: Mapping[str, np.ndarray]
    spacing_mm: tuple[float, float, float]


def as_patient(hu: np.ndarray, regions: Mapping[str, np.ndarray], affine: np.ndarray) -> Patient:
    """Turn HU and boolean regions (i, j, k), on the grid of `affine` (to RAS mm), to LPS."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt("LPS"))
    order = np.argsort(turn[:, 0])
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[order]
    return Patient(
        apply_orientation(hu, turn),
        {name: apply_orientation(mask, turn) for name, mask in regions.items()},
        (float(spacing[0]), float(spacing[1]), float(spacing[2])),
    )


def crop_to_body(patient: Patient) -> Patient:
    """Cut away the air around the body, the table with it; the whole where no body is found."""
    steps = [max(1, int(mm / step)) for mm, step in zip(GLANCE_MM, patient.spacing_mm, strict=True)]
    body = find_body(patient.hu[tuple(slice(None, None, step) for step in steps)])
    if not body.any():
        return patient
    in_plane = [
        slice(max(0, step * (part.start - 1) - 4), step * part.stop + 4)
        for part, step in zip(bounding_box(body), steps, strict=True)
    ]
    box = (in_plane[0], in_plane[1], slice(None))
    return Patient(
        patient.hu[box],
        {name: mask[box] for name, mask in patient.regions.items()},
        patient.spacing_mm,
    )


def find_body(hu: np.ndarray) -> np.ndarray:
    """Boolean (x, y, z): the largest piece of each axial slice that is denser than lung."""
    # An opening of two voxels parts the table from the back that lies on it.
    dense = ndimage.binary_opening(hu > BODY_HU, np.ones((5, 5, 1)))
    body = np.zeros(hu.shape, dtype=bool)
    for z in range(hu.shape[2]):
        pieces, n = ndimage.label(dense[..., z])
        if n:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            body[..., z] = ndimage.binary_fill_holes(pieces == sizes.argmax())
    return body


def draw_overlay(path: Path, patient: Patient, *, window_hu: Sequence[float], slices: int) -> None:
    """Write axial slices, one coronal and one sagittal, with each region's outline, as PNG."""
    united = np.any(list(patient.regions.values()), axis=0)
    columns = int(np.ceil(slices / 2)) if slices > 1 else 1
    figure = Figure(figsize=(3.0 * (columns + 1), 5.0), facecolor=DARK, layout="constrained")
    grid = figure.subplots(2, columns + 1, squeeze=False)
    axials = [grid[row, column] for row in range(2) for column in range(columns)]
    for axes, z in zip(axials, spread(united, slices), strict=False):
        _draw_slice(axes, patient, 2, z, window_hu, letters=("A", "P", "R", "L"))
    x, y = _middle(united)
    _draw_slice(grid[0, columns], patient, 1, y, window_hu, letters=("S", "I", "R", "L"))
    _draw_slice(grid[1, columns], patient, 0, x, window_hu, letters=("S", "I", "A", "P"))
    for axes in grid.ravel():
        axes.set_axis_off()
    _legend(figure, patient)
    save(figure, path, dpi=110)


def spread(mask: np.ndarray, count: int) -> list[int]:
    """`count` slices along z, spread evenly over the mask from a tenth of it at either end.

    Over the whole scan where the mask is empty; fewer where there are not that many slices.
    """
    inside = np.flatnonzero(mask.any(axis=(0, 1)))
    first, last = (inside[0], inside[-1]) if len(inside) else (0, mask.shape[2] - 1)
    margin = 0.1 * (last - first)
    places = np.linspace(last - margin, first + margin, count)
    return list(dict.fromkeys(round(float(place)) for place in places))


def _middle(mask: np.ndarray) -> tuple[int, int]:
    if not mask.any():
        return mask.shape[0] // 2, mask.shape[1] // 2
    # The slices that hold most of the region show more of it than those through its centre.
    return int(mask.sum(axis=(1, 2)).argmax()), int(mask.sum(axis=(0, 2)).argmax())


def _draw_slice(
    axes: Axes,
    patient: Patient,
    axis: int,
    index: int,
    window_hu: Sequence[float],
    *,
    letters: tuple[str, str, str, str],
) -> None:
    def flat(volume: np.ndarray) -> np.ndarray:
        image = volume[(slice(None),) * axis + (index,)].T
        return image if axis == 2 else image[::-1]

    across, down = [step for other, step in enumerate(patient.spacing_mm) if other != axis]
    axes.imshow(
        flat(patient.hu), cmap="gray", vmin=window_hu[0], vmax=window_hu[1],
        aspect=down / across, interpolation="bilinear",
    )  # fmt: skip
    for colour, mask in zip(_cycle(len(patient.regions)), patient.regions.values(), strict=True):
        outline = flat(mask)
        if outline.any():
            axes.contourf(outline, levels=[0.5, 1.5], colors=[colour], alpha=0.18)
            axes.contour(outline, levels=[0.5], colors=[colour], linewidths=1.4)
    places = ((0.5, 0.98, "top"), (0.5, 0.02, "bottom"), (0.02, 0.5, "left"), (0.98, 0.5, "right"))
    for letter, (x, y, side) in zip(letters, places, strict=True):
        axes.text(
            x, y, letter, transform=axes.transAxes, color=LIGHT, fontsize=9, weight="bold",
            ha=side if side in ("left", "right") else "center",
            va=side if side in ("top", "bottom") else "center",
        )  # fmt: skip
    name = {2: "axial", 1: "coronal", 0: "sagittal"}[axis]
    axes.text(
        0.02, 0.02, f"{name} {index + 1}/{patient.hu.shape[axis]}", transform=axes.transAxes,
        color=LIGHT, fontsize=7, ha="left", va="bottom",
    )  # fmt: skip


def draw_projection(
    path: Path, patient: Patient, body: np.ndarray, views: Mapping[str, np.ndarray]
) -> None:
    """Write the ray-cast projections of the regions over a faint one of the whole body, as PNG.

    `body` is that of `projection_volumes`; `views` are those of `views.draw_views` of its regions.
    """
    panels = (
        ("front", 1, "from the front", ("R", "L")),
        ("right", 0, "from the right", ("P", "A")),
    )
    shapes = [views[f"projection-{name}"].shape for name, *_ in panels]
    figure = Figure(figsize=(10.0, 5.0), facecolor="black", layout="constrained")
    row = figure.subplots(1, 2, width_ratios=[width / height for height, width in shapes])
    for axes, (name, axis, title, sides) in zip(row, panels, strict=True):
        region = views[f"projection-{name}"].astype(np.float32) / 255.0
        flat = body.max(axis=axis).T[::-1]
        flat = flat[:, ::-1] if axis == 0 else flat
        factors = np.array(region.shape) / flat.shape
        context = np.clip(ndimage.zoom(flat.astype(np.float32) / 255.0, factors, order=1), 0, 1)
        glow = matplotlib.colormaps["inferno"](region)[..., :3]
        inside = np.clip(region * 8, 0, 1)[..., None]
        shown = inside * glow + (1 - 0.9 * inside) * 0.55 * context[..., None]
        axes.imshow(np.clip(shown, 0.0, 1.0))
        axes.set_title(title, color=LIGHT, fontsize=10)
        axes.set_axis_off()
        for x, letter, side in ((0.01, sides[0], "left"), (0.99, sides[1], "right")):
            axes.text(x, 0.5, letter, transform=axes.transAxes, color=LIGHT, fontsize=11,
                      weight="bold", ha=side, va="center")  # fmt: skip
    if not any(mask.any() for mask in patient.regions.values()):
        figure.text(0.5, 0.02, "nothing was predicted", color=LIGHT, ha="center", fontsize=11)
    save(figure, path, dpi=110)


def projection_volumes(patient: Patient, *, longest: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Body and regions as brightness (x, y, z) uint8 with cubic voxels, `longest` at the most.

    The body is bright where bone is; the regions where contrast fills their vessels: between
    the 2nd and the 99.8th percentile of their own HU, and never 0 inside.
    """
    united = np.any(list(patient.regions.values()), axis=0)
    extent_mm = np.array(patient.hu.shape) * patient.spacing_mm
    step_mm = max(min(patient.spacing_mm), float(extent_mm.max()) / longest)
    factors = np.maximum(np.round(extent_mm / step_mm), 1) / patient.hu.shape
    inner = np.zeros(patient.hu.shape, dtype=np.float32)
    if united.any():
        low, high = np.percentile(patient.hu[united], [2.0, 99.8])
        inner[united] = np.clip((patient.hu[united] - low) / max(high - low, 1.0), 0.12, 1.0)
    hu, inner = (
        ndimage.zoom(volume.astype(np.float32, copy=False), factors, order=1)
        for volume in (patient.hu, inner)
    )
    bone = np.clip((hu + 100.0) / 600.0, 0.0, 1.0) * find_body(hu)
    shown = [(255 * np.clip(volume, 0, 1)).astype(np.uint8) for volume in (bone, inner)]
    return shown[0], shown[1]


def scene_parts(meshes: Mapping[str, Path]) -> dict[str, Part]:
    """Read the mesh files of the regions, in order; those without a surface are left out.

    With several surfaces the first one is translucent, since the others lie within it.
    """
    parts = {}
    for number, (region, path) in enumerate(meshes.items()):
        mesh = trimesh.load(path, process=False)
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            parts[region] = Part(mesh.vertices, mesh.faces, rgb(region_colour(number)), 1.0)
    if len(parts) > 1:
        outer = next(iter(parts))
        parts[outer] = replace(parts[outer], opacity=0.4)
    return parts


def draw_surface(path: Path, views: Mapping[str, np.ndarray], *, parts: Mapping[str, Part]) -> None:
    """Write the two views of the surfaces with the names of the regions shown, as PNG."""
    figure = Figure(figsize=(10.0, 5.2), facecolor="white", layout="constrained")
    panels = (("front", "from the front"), ("back", "from behind and below"))
    for axes, (name, title) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.imshow(views[f"surface-{name}"])
        axes.set_title(title, fontsize=10, color=DARK)
        axes.set_axis_off()
    if parts:
        handles = [
            _patch("#{:02X}{:02X}{:02X}".format(*part.colour), name) for name, part in parts.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    else:
        figure.text(0.5, 0.5, "nothing was predicted", ha="center", fontsize=12, color=DARK)
    save(figure, path, dpi=110)


def save(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure as PNG, whole, without the time or the program's name in it."""
    with whole(path) as temporary:
        figure.savefig(temporary, dpi=dpi, metadata={"Software": None})


def _cycle(count: int) -> list[str]:
    return [region_colour(number) for number in range(count)]


def _legend(figure: Figure, patient: Patient) -> None:
    names = [name if mask.any() else f"{name}: nothing predicted"
             for name, mask in patient.regions.items()]  # fmt: skip
    handles = [_patch(colour, name) for colour, name in zip(_cycle(len(names)), names, strict=True)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False,
                  labelcolor=LIGHT)  # fmt: skip


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=colour, label=label)
