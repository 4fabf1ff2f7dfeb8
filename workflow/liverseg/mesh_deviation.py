"""How far a surface and the mask that it stands for lie apart, in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import vedo
from scipy.spatial import cKDTree

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.meshes import LPS_FROM_RAS, Surface
from workflow.liverseg.percentiles import weighted_percentile

NAMES = ("mean_mm", "p95_mm", "maximum_mm", "within_half_voxel")


@dataclass(frozen=True)
class Faces:
    """The voxel faces between a mask and its outside: centres and half extents (n, 3), indices."""

    centres: np.ndarray
    halves: np.ndarray

    def areas(self, scale: np.ndarray) -> np.ndarray:
        """Area (n,) of each face, voxels having edges of length `scale` (3,)."""
        edges = np.where(self.halves == 0, 1.0, 2 * self.halves * scale)
        return np.asarray(edges.prod(axis=1))


def deviation_from_mask(
    surface: Surface, mask: np.ndarray, affine: np.ndarray, *, samples: int = 20_000
) -> dict[str, float | None]:
    """How far the surface and the mask's boundary, the voxel faces between in and out, lie apart.

    Both ways, so that a part of the mask without surface counts as much as a surface without mask:
    from the centres of triangles to the boundary and from the centres of faces to the surface, each
    weighted by area. `mean_mm` is over both, `p95_mm` and `maximum_mm` the larger of the two ways;
    `within_half_voxel` is the share of both whose distance along each axis, in voxels of that axis,
    is half a voxel or less in the Euclidean norm. None if empty. ASSUME axes at right angles.
    """
    if surface.empty:
        return dict.fromkeys(NAMES)
    inverse = np.linalg.inv(LPS_FROM_RAS @ affine)
    vertices = surface.vertices_mm @ inverse[:3, :3].T + inverse[:3, 3]
    chosen = surface.triangles[:: max(1, len(surface.triangles) // samples)]
    corners = surface.vertices_mm[chosen]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces = boundary_faces(mask)
    step = max(1, len(faces.centres) // samples)
    some = Faces(faces.centres[::step], faces.halves[::step])
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)

    def both_ways(scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        there = distance_to_faces(vertices[chosen].mean(axis=1), faces, scale)
        return there, _distance_to_surface(some.centres, vertices, surface.triangles, scale)

    areas = (np.linalg.norm(crosses, axis=1) / 2, some.areas(spacing_mm))
    # A sample of one side stands for all of it, so that neither counts for more than its area.
    weights = (areas[0] / areas[0].sum(), areas[1] / areas[1].sum())
    return _figures(both_ways(spacing_mm), both_ways(np.ones(3)), weights)


def _figures(
    in_mm: Sequence[np.ndarray], in_voxels: Sequence[np.ndarray], weights: Sequence[np.ndarray]
) -> dict[str, float | None]:
    near = [weight[far <= 0.5].sum() for far, weight in zip(in_voxels, weights, strict=True)]
    pairs = list(zip(in_mm, weights, strict=True))
    return {
        "mean_mm": float(np.mean([np.average(far, weights=weight) for far, weight in pairs])),
        "p95_mm": max(weighted_percentile(far, weight, 95.0) for far, weight in pairs),
        "maximum_mm": float(max(far.max() for far in in_mm)),
        "within_half_voxel": float(np.mean(near)),
    }


def boundary_faces(mask: np.ndarray) -> Faces:
    """The faces between a mask (i, j, k) and its outside; the border of the scan is outside."""
    box = bounding_box(mask, margin=1)
    padded = np.pad(mask[box], 1)
    origin = np.array([part.start - 1 for part in box])
    centres, halves = [], []
    for axis in range(3):
        where = np.argwhere(np.diff(padded, axis=axis)).astype(np.float64)
        where[:, axis] += 0.5
        centres.append(where + origin)
        halves.append(np.broadcast_to(np.where(np.arange(3) == axis, 0.0, 0.5), where.shape))
    return Faces(np.concatenate(centres), np.concatenate(halves))


def distance_to_faces(points: np.ndarray, faces: Faces, scale: np.ndarray) -> np.ndarray:
    """Distance of points (n, 3), in voxel indices, to the nearest of the faces; exact.

    Voxels have edges of length `scale` (3,), which gives the distances their unit. The nearest
    face need not have the nearest centre (where slices are thick, many small faces have nearer
    ones): as many centres are looked at as can belong to a nearer face.
    """
    centres, halves = faces.centres * scale, faces.halves * scale
    reach = float(np.linalg.norm(halves, axis=1).max())
    tree, scaled = cKDTree(centres), points * scale
    nearest = np.empty(len(points))
    open_, k = np.arange(len(points)), 8
    while len(open_):
        k = min(k, len(centres))
        away, near = (found.reshape(-1, k) for found in tree.query(scaled[open_], k=k))
        beyond = np.abs(scaled[open_, None] - centres[near]) - halves[near]
        nearest[open_] = np.linalg.norm(np.maximum(beyond, 0.0), axis=2).min(axis=1)
        if k == len(centres):
            break
        open_ = open_[away[:, -1] < nearest[open_] + reach]
        k *= 4
    return nearest


def _distance_to_surface(
    points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    mesh = vedo.Mesh([vertices * scale, triangles])
    return np.abs(vedo.Points(points * scale).distance_to(mesh))
