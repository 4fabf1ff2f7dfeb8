"""How far a surface and the mask that it stands for lie apart, in both directions."""

from collections.abc import Sequence

import numpy as np
import vedo

from workflow.liverseg.mask_faces import Faces, boundary_faces, distance_to_faces
from workflow.liverseg.meshes import LPS_FROM_RAS, Surface
from workflow.liverseg.percentiles import weighted_percentile

NAMES = ("mean_mm", "p95_mm", "maximum_mm", "within_half_voxel")


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


def _distance_to_surface(
    points: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    mesh = vedo.Mesh([vertices * scale, triangles])
    return np.abs(vedo.Points(points * scale).distance_to(mesh))
