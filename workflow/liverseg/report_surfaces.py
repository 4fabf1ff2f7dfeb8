"""Surfaces small enough for a page, coloured by their distance to the reference."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workflow.liverseg.report_payload import to_base64

TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
MOST_VERTICES = 65535  # what a 16-bit index reaches


def read_stl(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a binary STL: vertices (n, 3) float32 as stored, each once, and triangles (m, 3).

    ValueError for a file of another length than its header says.
    """
    raw = path.read_bytes()
    count = int(np.frombuffer(raw, "<u4", 1, 80)[0]) if len(raw) >= 84 else -1
    if len(raw) != 84 + count * TRIANGLE.itemsize:
        raise ValueError(f"{path.name}: no binary STL of {count} triangles")
    corners = np.frombuffer(raw, TRIANGLE, count, 84)["corners"].reshape(-1, 3)
    vertices, index = np.unique(corners, axis=0, return_inverse=True)
    return vertices.astype(np.float32), index.reshape(-1, 3).astype(np.int32)


def simplify(
    vertices: np.ndarray, triangles: np.ndarray, *, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """The surface with at most about `most` triangles, by quadric error."""
    if len(triangles) <= most:
        return vertices, triangles
    import fast_simplification

    return fast_simplification.simplify(
        vertices, triangles, target_reduction=1.0 - most / len(triangles)
    )


def signed_distances(
    points_mm: np.ndarray, reference: np.ndarray, affine: np.ndarray
) -> np.ndarray | None:
    """Distance in mm of points (n, 3), RAS mm, to the border of a boolean mask (i, j, k).

    Positive outside of the mask, negative within; exact, also where slices are thick. None if the
    mask is empty.
    """
    if not reference.any():
        return None
    from workflow.liverseg.mask_faces import boundary_faces, contains, distance_to_faces

    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    places = (points_mm - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    far = distance_to_faces(places, boundary_faces(reference), spacing)
    return np.where(contains(reference, places), -far, far)


def encode_surface(
    vertices_lps_mm: np.ndarray,
    triangles: np.ndarray,
    distances_mm: np.ndarray | None,
    *,
    range_mm: float,
) -> dict[str, Any]:
    """A surface as the page's data file holds it.

    Vertices become 16-bit places within the bounding box (RAS mm), distances 8-bit steps from
    −`range_mm` to `range_mm`, beyond which they are cut.
    """
    vertices = lps_to_ras(vertices_lps_mm)
    low = vertices.min(axis=0)
    size = np.maximum(vertices.max(axis=0) - low, 1e-6)
    places = np.round((vertices - low) / size * 65535).astype("<u2")
    coded = None
    if distances_mm is not None:
        share = np.clip(distances_mm / range_mm, -1, 1)
        coded = to_base64(np.round(127.5 + 127.5 * share).astype(np.uint8))
    return {
        "low_mm": [round(float(value), 4) for value in low],
        "size_mm": [round(float(value), 4) for value in size],
        "vertices": to_base64(places),
        "triangles": to_base64(triangles.astype("<u2")),
        "distances": coded,
        "range_mm": range_mm,
    }


def lps_to_ras(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) of a mesh file in LPS as the affines' RAS, and the other way round."""
    return points * np.array([-1.0, -1.0, 1.0])


def prepare_surface(
    path: Path, reference: np.ndarray | None, affine: np.ndarray, settings: dict[str, Any]
) -> dict[str, Any] | None:
    """Read, thin out, colour and encode one region's surface; None if it has no triangle.

    `reference` is the region's boolean mask (i, j, k) on the grid of `affine`, if there is one;
    `settings` is the config's `report.viewer`.
    """
    vertices, triangles = read_stl(path)
    if not len(triangles):
        return None
    vertices, triangles = simplify(vertices, triangles, most=settings["triangles"])
    if len(vertices) > MOST_VERTICES:
        raise ValueError(f"{len(vertices)} vertices are too many for the page")
    distances = None
    if reference is not None:
        distances = signed_distances(lps_to_ras(vertices), reference, affine)
    return encode_surface(vertices, triangles, distances, range_mm=settings["distance_range_mm"])


def region_colours(count: int) -> Sequence[str]:
    """Colour of each region, the same as in the pictures and mesh files."""
    from workflow.liverseg.colours import region_colour

    return [region_colour(number) for number in range(count)]
