"""The boundary of a mask, the voxel faces between in and out, and distances to it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from workflow.liverseg.boxes import bounding_box

BATCH = 1 << 20  # pairs of a point and a face looked at together: bounds memory


@dataclass(frozen=True)
class Faces:
    """The voxel faces between a mask and its outside: centres and half extents (n, 3), indices."""

    centres: np.ndarray
    halves: np.ndarray

    def areas(self, scale: np.ndarray) -> np.ndarray:
        """Area (n,) of each face, voxels having edges of length `scale` (3,)."""
        edges = np.where(self.halves == 0, 1.0, 2 * self.halves * scale)
        return np.asarray(edges.prod(axis=1))


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
        away = np.empty(len(open_))
        for first in range(0, len(open_), max(1, BATCH // k)):
            some = slice(first, first + max(1, BATCH // k))
            points_here = scaled[open_[some]]
            found, near = (part.reshape(-1, k) for part in tree.query(points_here, k=k))
            beyond = np.abs(points_here[:, None] - centres[near]) - halves[near]
            nearest[open_[some]] = np.linalg.norm(np.maximum(beyond, 0.0), axis=2).min(axis=1)
            away[some] = found[:, -1]
        if k == len(centres):
            break
        open_ = open_[away < nearest[open_] + reach]
        k *= 4
    return nearest


def contains(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points (n, 3), in voxel indices, lie in a voxel of a mask (i, j, k)."""
    voxels = np.rint(points).astype(np.int64)
    within = ((voxels >= 0) & (voxels < mask.shape)).all(axis=1)
    inside = np.zeros(len(points), dtype=bool)
    inside[within] = mask[tuple(voxels[within].T)]
    return inside
