"""Fewer triangles for the same surface."""

import fast_simplification
import numpy as np
import vedo

from workflow.liverseg.meshes import (
    Surface,
    is_manifold,
    outwards,
    piece_of_vertices,
    volume_ml,
    with_volume,
)

HALVINGS = 8
SMALLEST = 100  # triangles; pieces as small as that are left alone
# A collapse now and then tears a surface; another number of triangles mostly does not.
TRIES = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8, 1.25, 1.6, 2.0, 3.0)


def reduce_surface(
    surface: Surface, *, triangles: int | None, deviation_mm: float | None
) -> Surface:
    """Simplify a closed surface by quadric edge collapse (Garland & Heckbert 1997).

    `triangles` is the most that it may have afterwards, `deviation_mm` how far the 95th percentile
    of its former vertices may lie from it; with both, first the number, then as few as the
    deviation allows. It stays a closed manifold of the same volume: what a smaller number would
    tear keeps a larger one, so that the number can be missed, never the surface.
    """
    reduced = surface
    if triangles is not None and len(surface.triangles) > triangles:
        reduced = _simplified(surface, triangles)
    if deviation_mm is None or surface.empty:
        return reduced if reduced is surface else with_volume(reduced, volume_ml(surface))
    for _ in range(HALVINGS):
        smaller = _simplified(reduced, len(reduced.triangles) // 2)
        if len(smaller.triangles) >= len(reduced.triangles):
            break
        if deviation(surface, smaller) > deviation_mm:
            break
        reduced = smaller
    return with_volume(reduced, volume_ml(surface))


def deviation(former: Surface, reduced: Surface) -> float:
    """95th percentile (mm) of the distance of the former's vertices to the reduced surface."""
    step = max(1, len(former.vertices_mm) // 20_000)
    points = vedo.Points(former.vertices_mm[::step])
    distances = points.distance_to(vedo.Mesh([reduced.vertices_mm, reduced.triangles]))
    return float(np.percentile(np.abs(distances), 95))


def _simplified(surface: Surface, triangles: int) -> Surface:
    share = triangles / len(surface.triangles)
    pieces = piece_of_vertices(surface)
    vertices, faces, count = [], [], 0
    for piece in split_pieces(surface, pieces):
        smaller = _simplified_piece(piece, max(SMALLEST, round(share * len(piece.triangles))))
        vertices.append(smaller.vertices_mm)
        faces.append(smaller.triangles + count)
        count += len(smaller.vertices_mm)
    return Surface(np.concatenate(vertices), np.concatenate(faces))


def split_pieces(surface: Surface, pieces: np.ndarray) -> list[Surface]:
    """Each connected piece as a surface of its own; `pieces` numbers each vertex's from 0."""
    if pieces.max() == 0:
        return [surface]
    by_vertex = np.argsort(pieces, kind="stable")
    of_triangle = pieces[surface.triangles[:, 0]]
    by_triangle = np.argsort(of_triangle, kind="stable")
    place = np.empty_like(by_vertex)
    place[by_vertex] = np.arange(len(by_vertex))
    first = np.concatenate([[0], np.cumsum(np.bincount(pieces))])
    ends = np.cumsum(np.bincount(of_triangle))
    return [
        Surface(surface.vertices_mm[by_vertex[low:high]], place[surface.triangles[chosen]] - low)
        for low, high, chosen in zip(
            first[:-1], first[1:], np.split(by_triangle, ends[:-1]), strict=True
        )
    ]


def _simplified_piece(surface: Surface, triangles: int) -> Surface:
    # Single precision is all the library has: around the middle it keeps a scanner's coordinates.
    middle = surface.vertices_mm.mean(axis=0)
    points = (surface.vertices_mm - middle).astype(np.float32)
    faces = surface.triangles.astype(np.int32)
    inward = volume_ml(surface) < 0  # the wall of a cavity
    for factor in TRIES:
        target = round(factor * triangles)
        if target >= len(faces):
            break
        vertices, kept = fast_simplification.simplify(points, faces, target_count=target)
        reduced = outwards(vertices.astype(np.float64) + middle, kept.astype(np.int64))
        if is_manifold(reduced):
            return Surface(reduced.vertices_mm, reduced.triangles[:, ::-1]) if inward else reduced
    return surface
