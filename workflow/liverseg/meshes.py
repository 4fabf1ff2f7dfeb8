"""Surfaces of segmented regions: extraction, smoothing, and how far they stray from the mask."""

from dataclasses import dataclass

import numpy as np
import vedo
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from vtkmodules.util.numpy_support import vtk_to_numpy

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.level_fields import largest_piece, level_field
from workflow.liverseg.voxels import voxel_ml

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# glTF counts metres, Y up, Z towards the viewer: X = left, Y = superior, Z = anterior.
GLTF_FROM_LPS = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]) / 1000.0

CENTRED_MM = 0.08  # how near a surface's centre of gravity is brought to its mask's
ROUNDS = 6  # of small steps towards it


@dataclass(frozen=True)
class Surface:
    """Closed triangle surface: vertices (n, 3) in LPS mm, triangles (m, 3) that face outwards."""

    vertices_mm: np.ndarray
    triangles: np.ndarray

    @property
    def empty(self) -> bool:
        """Whether there is no surface at all."""
        return len(self.triangles) == 0


@dataclass(frozen=True)
class Correction:
    """What a smoothed surface was given so that volume and centre are its mask's.

    volume_percent: of the volume, added (or, below 0, taken away). shift_mm: how far its centre of
    gravity was moved.
    """

    volume_percent: float = 0.0
    shift_mm: float = 0.0


EMPTY = Surface(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))


def extract_surface(
    probability: np.ndarray,
    mask: np.ndarray,
    affine: np.ndarray,
    *,
    iterations: int,
    pass_band: float,
    one_piece: bool = False,
) -> tuple[Surface, Correction]:
    """Surface of one region where its probability is one half, smooth, with the mask's volume.

    `probability` (i, j, k) in 0…1 and `mask` (i, j, k) boolean share the grid that `affine` takes
    to RAS mm. The mask decides what belongs to the region (clean-up took parts away or filled
    holes), the probability where between two voxels the surface runs. With `one_piece` only the
    largest piece is taken, and cavities in it are filled. EMPTY for an empty mask. With it comes
    how far smoothing and interpolation had led away from the mask.
    """
    if not mask.any():
        return EMPTY, Correction()
    box = bounding_box(mask, margin=1)
    inside = np.pad(mask[box], 1)
    if one_piece:
        inside = largest_piece(inside)
    soft = np.pad(probability[box].astype(np.float32), 1)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    field, steps = level_field(soft, inside, spacing_mm)
    mesh = vedo.Volume(field, spacing=tuple(spacing_mm / steps)).isosurface(0.0, flying_edges=True)
    vertices, triangles = smooth(mesh, iterations=iterations, pass_band=pass_band)
    vertices /= spacing_mm
    first = np.array([part.start - 1 for part in box])
    surface = outwards(to_lps(vertices + first, affine), triangles)
    target_ml = mask_volume_ml(inside, affine)
    volumed = with_volume(surface, target_ml)
    centre_mm = to_lps(centre_of_voxels(inside)[None] + first, affine)[0]
    centred = with_centre(volumed, centre_mm)
    moved = centre_of_gravity_mm(centred) - centre_of_gravity_mm(volumed)
    added = float(100.0 * (target_ml - volume_ml(surface)) / target_ml)
    return centred, Correction(added, float(np.linalg.norm(moved)))


def smooth(mesh: vedo.Mesh, *, iterations: int, pass_band: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) and triangles (m, 3) of a mesh after the windowed sinc filter.

    Taubin, Zhang & Golub 1996: like Laplacian smoothing, but without its shrinking. Pieces of a
    few voxels, which have no lower frequencies to keep, would vanish: they stay as they are.
    """
    mesh.clean()
    # vedo's own list of cells is made one by one, a second for a large liver.
    corners = vtk_to_numpy(mesh.dataset.GetPolys().GetConnectivityArray())
    triangles = corners.astype(np.int64).reshape(-1, 3)
    rough = Surface(np.array(mesh.vertices, dtype=np.float64), triangles)
    if not iterations:
        return rough.vertices_mm, rough.triangles
    mesh.smooth(niter=iterations, pass_band=pass_band, edge_angle=180, feature_angle=180)
    smoothed = Surface(np.array(mesh.vertices, dtype=np.float64), rough.triangles)
    pieces = piece_of_vertices(rough)
    kept = piece_volumes(smoothed, pieces) / piece_volumes(rough, pieces) > 0.5
    vertices = np.where(kept[pieces][:, None], smoothed.vertices_mm, rough.vertices_mm)
    return vertices, rough.triangles


def piece_volumes(surface: Surface, pieces: np.ndarray) -> np.ndarray:
    """Signed volume (mm³) of each piece, `pieces` being the number of each vertex's."""
    sizes = np.bincount(pieces)
    centres = np.stack([np.bincount(pieces, along) / sizes for along in surface.vertices_mm.T], 1)
    corners = (surface.vertices_mm - centres[pieces])[surface.triangles]
    six_volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return np.bincount(pieces[surface.triangles[:, 0]], six_volumes, len(sizes)) / 6.0


def to_lps(indices: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Take voxel indices (n, 3) to LPS mm by the affine to RAS mm."""
    matrix = LPS_FROM_RAS @ affine
    return indices @ matrix[:3, :3].T + matrix[:3, 3]


def outwards(vertices_mm: np.ndarray, triangles: np.ndarray) -> Surface:
    """Turn all triangles of a closed surface so that they face outwards (its volume is > 0)."""
    surface = Surface(vertices_mm, triangles)
    if volume_ml(surface) < 0:
        surface = Surface(vertices_mm, triangles[:, ::-1])
    return surface


def with_volume(surface: Surface, target_ml: float) -> Surface:
    """Move all vertices along their normals by one small distance so that the volume is right.

    Smoothing and the voxel grid leave errors of a percent or so, evenly spread over the surface:
    dividing them by the area takes them away without changing the shape. Pieces of a few voxels,
    of which smoothing leaves little, are then swollen about their centres, all by one factor.
    """
    reach_mm = _reach_mm(surface)
    for _ in range(3):
        missing_mm3 = (target_ml - volume_ml(surface)) * 1000.0
        step_mm = np.clip(missing_mm3 / (area_cm2(surface) * 100.0), -reach_mm, reach_mm)
        moved = surface.vertices_mm + step_mm * vertex_normals(surface)
        surface = Surface(moved, surface.triangles)
    factor = target_ml / max(volume_ml(surface), target_ml / 27.0)
    return surface if abs(factor - 1.0) < 1e-6 else _swollen(surface, float(np.cbrt(factor)))


def with_centre(surface: Surface, centre_mm: np.ndarray) -> Surface:
    """Move vertices along their normals until the centre of gravity is CENTRED_MM from `centre_mm`.

    Shapes interpolated between thick slices are heavier on the one side than the slices are, by
    tenths of a mm. Of all moves that put volume and centre right, the one whose square over the
    surface is least grows evenly from one side to the other: hundredths of a mm are enough, where
    the surface as a whole would have to go all the way. What is nearer stays: probabilities know
    more of it than voxels do. `centre_mm` is (3,), LPS; the volume stays.
    """
    target_mm3 = volume_ml(surface) * 1000.0
    reach_mm = _reach_mm(surface)
    for _ in range(ROUNDS):
        offset = centre_of_gravity_mm(surface) - centre_mm
        far = float(np.linalg.norm(offset))
        if far <= CENTRED_MM:
            break
        # Aimed a little nearer, so that the last step need not be exact.
        aim = offset * 0.95 * CENTRED_MM / far
        volume_mm3 = volume_ml(surface) * 1000.0
        missing = np.concatenate(
            [[target_mm3 - volume_mm3], target_mm3 * aim - volume_mm3 * offset]
        )
        places = np.insert(surface.vertices_mm - centre_mm, 0, 1.0, axis=1)
        weighed = places * vertex_areas(surface)[:, None]
        step_mm = places @ np.linalg.lstsq(places.T @ weighed, missing, rcond=None)[0]
        step_mm = np.clip(step_mm, -reach_mm, reach_mm)[:, None]
        surface = Surface(
            surface.vertices_mm + step_mm * vertex_normals(surface), surface.triangles
        )
    return surface


def _reach_mm(surface: Surface) -> float:
    """How far vertices may move at once without triangles folding over."""
    return 0.2 * float(np.sqrt(area_cm2(surface) * 100.0 / len(surface.triangles)))


def centre_of_voxels(mask: np.ndarray) -> np.ndarray:
    """Mean place (3,) of a mask's True voxels, in voxels."""
    centre = []
    for axis, length in enumerate(mask.shape):
        counts = mask.sum(axis=tuple(other for other in range(3) if other != axis))
        centre.append(float(np.average(np.arange(length), weights=counts)))
    return np.array(centre)


def _swollen(surface: Surface, factor: float) -> Surface:
    pieces = piece_of_vertices(surface)
    sizes = np.bincount(pieces)
    centres = np.stack(
        [np.bincount(pieces, along) / sizes for along in surface.vertices_mm.T], axis=1
    )[pieces]
    return Surface(centres + factor * (surface.vertices_mm - centres), surface.triangles)


def piece_of_vertices(surface: Surface) -> np.ndarray:
    """Number (n,) from 0 of the connected piece that each vertex belongs to."""
    n = len(surface.vertices_mm)
    starts, ends = surface.triangles.ravel(), np.roll(surface.triangles, -1, axis=1).ravel()
    edges = coo_array((np.ones(len(starts), dtype=bool), (starts, ends)), shape=(n, n))
    return connected_components(edges, directed=False)[1]


def vertex_normals(surface: Surface) -> np.ndarray:
    """Unit normals (n, 3) of the vertices: the mean of their triangles', weighted by area."""
    corners = surface.vertices_mm[surface.triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack(
        [
            np.bincount(
                surface.triangles.ravel(), np.repeat(crosses[:, axis], 3), len(surface.vertices_mm)
            )
            for axis in range(3)
        ],
        axis=1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return normals / np.where(length == 0, 1.0, length)


def vertex_areas(surface: Surface) -> np.ndarray:
    """Area (n,) in mm² that belongs to each vertex: a third of its triangles'."""
    corners = surface.vertices_mm[surface.triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    thirds = np.repeat(np.linalg.norm(crosses, axis=1) / 6.0, 3)
    return np.bincount(surface.triangles.ravel(), thirds, len(surface.vertices_mm))


def volume_ml(surface: Surface) -> float:
    """Volume within a closed surface, ml, by the divergence theorem; negative if inside out."""
    if surface.empty:
        return 0.0
    # Relative to the middle, so that a scan far from the origin loses no digits.
    corners = (surface.vertices_mm - surface.vertices_mm.mean(axis=0))[surface.triangles]
    crosses = np.cross(corners[:, 1], corners[:, 2])
    return float(np.einsum("ij,ij->", corners[:, 0], crosses) / 6000.0)


def area_cm2(surface: Surface) -> float:
    """Area of the surface, cm²."""
    corners = surface.vertices_mm[surface.triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return float(np.linalg.norm(crosses, axis=1).sum() / 200.0)


def centre_of_gravity_mm(surface: Surface) -> np.ndarray:
    """Centre (3,) of the volume within a closed surface, LPS mm; NaN if the surface is empty."""
    if surface.empty:
        return np.full(3, np.nan)
    middle = surface.vertices_mm.mean(axis=0)
    corners = (surface.vertices_mm - middle)[surface.triangles]
    six_volumes = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return middle + six_volumes @ corners.sum(axis=1) / (4.0 * six_volumes.sum())


def mask_volume_ml(mask: np.ndarray, affine: np.ndarray) -> float:
    """Volume (ml) of a mask's True voxels."""
    return np.count_nonzero(mask) * voxel_ml(affine)


def is_closed(surface: Surface) -> bool:
    """Whether every edge belongs to exactly two triangles that run along it in opposite senses."""
    if surface.empty:
        return False
    starts, ends = surface.triangles, np.roll(surface.triangles, -1, axis=1)
    n = len(surface.vertices_mm)
    forth = np.sort((starts * n + ends).ravel())
    back = np.sort((ends * n + starts).ravel())
    return bool(np.array_equal(forth, back) and (np.diff(forth) > 0).all())


def is_manifold(surface: Surface) -> bool:
    """Whether a closed surface touches itself at no vertex: one ring of triangles around each."""
    if not is_closed(surface):
        return False
    n_triangles = len(surface.triangles)
    corners = np.arange(3 * n_triangles).reshape(n_triangles, 3)
    starts, ends = surface.triangles, np.roll(surface.triangles, -1, axis=1)
    n = len(surface.vertices_mm)
    # Each edge joins, at either end, the corners of the two triangles that share it.
    forth = np.argsort((starts * n + ends).ravel())
    back = np.argsort((ends * n + starts).ravel())
    here, there = corners.ravel(), np.roll(corners, -1, axis=1).ravel()
    one = np.concatenate([here[forth], there[forth]])
    other = np.concatenate([there[back], here[back]])
    joined = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(corners.size,) * 2)
    rings = connected_components(joined, directed=False)[0]
    return bool(rings == len(np.unique(surface.triangles)))
