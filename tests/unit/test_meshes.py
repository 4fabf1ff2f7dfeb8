"""Surfaces held to figures, on shapes whose volume, area and centre are known."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ellipeinc, ellipkinc

from workflow.liverseg.decimation import deviation, reduce_surface
from workflow.liverseg.mask_faces import boundary_faces, distance_to_faces
from workflow.liverseg.mesh_deviation import deviation_from_mask
from workflow.liverseg.meshes import (
    EMPTY,
    Surface,
    area_cm2,
    centre_of_gravity_mm,
    extract_surface,
    is_closed,
    is_manifold,
    mask_volume_ml,
    piece_of_vertices,
    to_lps,
    volume_ml,
    with_volume,
)

SMOOTH = {"iterations": 30, "pass_band": 0.05}
TETRAHEDRON = Surface(
    np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10]]),
    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
)


def ellipsoid(radii_mm, spacing_mm, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability and mask (i, j, k) of an ellipsoid off the grid's centre, and the affine."""
    sizes = [int(2 * radius / step) + 9 for radius, step in zip(radii_mm, spacing_mm, strict=True)]
    grid = np.meshgrid(*(np.arange(size) for size in sizes), indexing="ij")
    parts = zip(grid, sizes, spacing_mm, radii_mm, (0.23, -0.31, 0.12), strict=True)
    radius = np.sqrt(sum(((x - (n - 1) / 2 - off) * step / r) ** 2 for x, n, step, r, off in parts))
    inside = radius < 1
    soft = np.round(255 / (1 + np.exp(2 * (radius - 1) * min(radii_mm)))) / 255
    probability = soft if kind == "soft" else inside.astype(float)
    return probability.astype(np.float32), inside, np.diag([*spacing_mm, 1.0])


def ellipsoid_area_cm2(radii_mm) -> float:
    a, b, c = sorted(radii_mm, reverse=True)
    if a == c:
        return 4 * np.pi * a * a / 100
    angle = np.arccos(c / a)
    k2 = (a * a * (b * b - c * c)) / (b * b * (a * a - c * c))
    elliptic = ellipeinc(angle, k2) * np.sin(angle) ** 2 + ellipkinc(angle, k2) * np.cos(angle) ** 2
    return (2 * np.pi * c * c + 2 * np.pi * a * b / np.sin(angle) * elliptic) / 100


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize(
    ("radii_mm", "spacing_mm"),
    [
        ((20, 20, 20), (1, 1, 1)),
        ((40, 30, 20), (1.5, 1.5, 1.5)),
        ((30, 24, 20), (1, 1, 5)),
        ((24, 30, 20), (2.5, 1, 1)),
        ((8, 8, 8), (1, 1, 1)),
    ],
)
def test_known_shapes_keep_volume_and_area(radii_mm, spacing_mm, kind: str):
    probability, mask, affine = ellipsoid(radii_mm, spacing_mm, kind)
    surface, _ = extract_surface(probability, mask, affine, **SMOOTH)
    assert is_manifold(surface)
    assert volume_ml(surface) == pytest.approx(mask_volume_ml(mask, affine), rel=1e-4)
    assert volume_ml(surface) == pytest.approx(4 / 3 * np.pi * np.prod(radii_mm) / 1000, rel=0.01)
    assert area_cm2(surface) == pytest.approx(ellipsoid_area_cm2(radii_mm), rel=0.02)
    assert deviation_from_mask(surface, mask, affine)["within_half_voxel"] > 0.95


def turned(mask: np.ndarray, affine: np.ndarray, order, flips) -> tuple[np.ndarray, np.ndarray]:
    """The same scene stored with other axes: voxels and the affine that belongs to them."""
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        matrix[old, new] = -1 if flip else 1
        matrix[old, 3] = mask.shape[old] - 1 if flip else 0
    voxels = mask.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return voxels, affine @ matrix


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.2, 1.4), (0.8, 0.8, 5.0), (2.0, 2.0, 5.0)])
@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_all_48_orientations_give_one_surface_in_one_place(spacing_mm, kind: str):
    probability, mask, affine = ellipsoid((24, 16, 20), spacing_mm, kind)
    away = mask.shape[1] // 3
    mask[:, :away, :] = False  # no symmetry left
    probability[:, :away, :] = np.minimum(probability[:, :away, :], 0.4 * (kind == "soft"))
    affine[:3, 3] = -120.0, 40.0, 900.0
    centre = to_lps(np.argwhere(mask).mean(axis=0)[None], affine)[0]
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            voxels, own_affine = turned(mask, affine, order, flips)
            soft = turned(probability, affine, order, flips)[0]
            surface, _ = extract_surface(soft, voxels, own_affine, **SMOOTH)
            assert volume_ml(surface) > 0, "triangles face inwards"
            assert np.linalg.norm(centre_of_gravity_mm(surface) - centre) < 0.1


def leaning_wedge() -> np.ndarray:
    """Interpolating between its few slices weighs one side more."""
    mask = np.zeros((60, 40, 12), dtype=bool)
    for k in range(2, 10):
        mask[6 + 3 * k : 50 - (k - 2) ** 2 // 4, 8 : 34 - 2 * k, k] = True
    return mask


def test_a_slanted_shape_in_thick_slices_keeps_its_centre_and_its_place():
    mask, affine = leaning_wedge(), np.diag([2.0, 2.0, 6.0, 1.0])
    surface, _ = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    reduced = reduce_surface(surface, triangles=4000, deviation_mm=None)
    centre = to_lps(np.argwhere(mask).mean(axis=0)[None], affine)[0]
    for one in (surface, reduced):
        assert np.linalg.norm(centre_of_gravity_mm(one) - centre) < 0.1
        assert deviation_from_mask(one, mask, affine)["within_half_voxel"] > 0.95


def test_a_centre_a_pixel_off_is_put_right_and_recorded():
    mask, affine = leaning_wedge(), np.diag([0.5, 0.5, 5.0, 1.0])
    surface, correction = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    centre = to_lps(np.argwhere(mask).mean(axis=0)[None], affine)[0]
    assert np.linalg.norm(centre_of_gravity_mm(surface) - centre) < 0.1
    assert volume_ml(surface) == pytest.approx(mask_volume_ml(mask, affine), rel=1e-3)
    assert correction.shift_mm > 0.4 and correction.volume_percent > 1
    assert is_manifold(surface)


def test_a_surface_is_in_lps_millimetres():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:5, 3:6, 4:7] = True
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = 10.0, 20.0, 30.0
    surface, _ = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    np.testing.assert_allclose(centre_of_gravity_mm(surface), [-16.0, -28.0, 45.0], atol=0.01)


def test_the_probability_moves_the_surface_within_the_voxel():
    # A slab between 1 and 0: at 0.9 | 0.1 its face lies midway, at 0.5+ | 0 on the last voxel.
    steep = np.zeros((12, 12, 12), dtype=np.float32)
    steep[3:9, 3:9, 3:9] = 1.0
    steep[8, 3:9, 3:9] = 0.6
    steep[2, 3:9, 3:9] = 0.4
    # Voxels so small that the centre of gravity stays as near to the mask's as it has to.
    affine = np.diag([0.25, 0.25, 0.25, 1.0])
    mask, rough = steep >= 0.5, {"iterations": 0, "pass_band": 0.1}
    surface, _ = extract_surface(steep, mask, affine, **rough)
    flat, _ = extract_surface(mask.astype(np.float32), mask, affine, **rough)
    moved = centre_of_gravity_mm(surface)[0] - centre_of_gravity_mm(flat)[0]  # L is -R
    assert moved > 0.2 * 0.25


def test_what_clean_up_took_away_has_no_surface():
    probability = np.zeros((20, 10, 10), dtype=np.float32)
    probability[2:8, 2:8, 2:8] = probability[14:17, 2:5, 2:5] = 1.0
    mask = probability > 0.5
    mask[10:] = False
    surface, _ = extract_surface(probability, mask, np.eye(4), **SMOOTH)
    assert -surface.vertices_mm[:, 0].min() < 10


def test_one_piece_keeps_the_largest_and_fills_it():
    mask = np.zeros((24, 14, 14), dtype=bool)
    mask[2:12, 2:12, 2:12] = mask[18:21, 3:6, 3:6] = True
    mask[6:8, 6:8, 6:8] = False
    every, _ = extract_surface(mask.astype(np.float32), mask, np.eye(4), **SMOOTH)
    one, _ = extract_surface(mask.astype(np.float32), mask, np.eye(4), **SMOOTH, one_piece=True)
    assert piece_of_vertices(every).max() + 1 == 3  # two outsides and the cavity's wall
    assert piece_of_vertices(one).max() + 1 == 1
    assert volume_ml(one) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("spacing_mm", [(1, 1, 1), (0.8, 0.8, 5)])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 2), (2, 1, 5), (1, 7, 7)])
def test_specks_keep_their_volume(size, spacing_mm):
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[tuple(slice(3, 3 + length) for length in size)] = True
    affine = np.diag([*spacing_mm, 1.0])
    surface, _ = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    assert is_manifold(surface)
    assert volume_ml(surface) == pytest.approx(mask_volume_ml(mask, affine), rel=0.01)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing_mm", [(1, 1, 1), (1, 1, 3)])
def test_random_masks_have_closed_manifold_surfaces(seed: int, spacing_mm):
    draw = np.random.default_rng(seed)
    mask = draw.random((9, 9, 9)) < draw.uniform(0.1, 0.9)
    probability = np.where(mask, 0.5, 0.0) + 0.5 * draw.random(mask.shape)
    affine = np.diag([*spacing_mm, 1.0])
    surface, _ = extract_surface(probability, mask, affine, **SMOOTH)
    assert is_manifold(surface)
    assert volume_ml(surface) == pytest.approx(mask_volume_ml(mask, affine), rel=0.01)


def test_a_region_that_fills_the_scan_is_closed_at_its_border():
    mask = np.ones((6, 7, 8), dtype=bool)
    surface, _ = extract_surface(mask.astype(np.float32), mask, np.eye(4), **SMOOTH)
    assert is_manifold(surface)


def test_an_empty_mask_has_the_empty_surface():
    nothing = np.zeros((5, 5, 5), dtype=bool)
    assert extract_surface(np.ones((5, 5, 5)), nothing, np.eye(4), **SMOOTH)[0] is EMPTY


def test_volume_area_and_centre_of_a_tetrahedron():
    assert volume_ml(TETRAHEDRON) == pytest.approx(1 / 6)
    assert area_cm2(TETRAHEDRON) == pytest.approx((150 + 50 * np.sqrt(3)) / 100)
    np.testing.assert_allclose(centre_of_gravity_mm(TETRAHEDRON), [2.5, 2.5, 2.5])


def test_a_surface_with_a_hole_is_not_closed():
    assert is_closed(TETRAHEDRON)
    assert not is_closed(Surface(TETRAHEDRON.vertices_mm, TETRAHEDRON.triangles[1:]))


def test_a_triangle_that_faces_the_wrong_way_is_noticed():
    turned_one = TETRAHEDRON.triangles.copy()
    turned_one[0] = turned_one[0, ::-1]
    assert not is_closed(Surface(TETRAHEDRON.vertices_mm, turned_one))


def test_two_bodies_that_share_a_vertex_are_closed_but_no_manifold():
    away = TETRAHEDRON.vertices_mm * -1
    vertices = np.concatenate([TETRAHEDRON.vertices_mm, away[1:]])
    mirrored = np.where(TETRAHEDRON.triangles > 0, TETRAHEDRON.triangles + 3, 0)[:, ::-1]
    pair = Surface(vertices, np.concatenate([TETRAHEDRON.triangles, mirrored]))
    assert is_closed(pair)
    assert is_manifold(TETRAHEDRON)
    assert not is_manifold(pair)


def test_a_volume_is_set_by_moving_the_surface():
    probability, mask, affine = ellipsoid((12, 12, 12), (1, 1, 1), "soft")
    surface, _ = extract_surface(probability, mask, affine, **SMOOTH)
    larger = with_volume(surface, 1.02 * volume_ml(surface))
    assert volume_ml(larger) == pytest.approx(1.02 * volume_ml(surface), rel=1e-6)


def test_distances_to_a_masks_boundary_are_exact():
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[3:7, 3:7, 3:7] = True  # its faces lie at 2.5 and 6.5
    points = np.array([[5.0, 5.0, 8.0], [5.0, 5.0, 6.5], [5.0, 5.0, 5.0], [7.5, 7.5, 5.0]])
    expected = [1.5, 0.0, 1.5, np.sqrt(2)]
    np.testing.assert_allclose(
        distance_to_faces(points, boundary_faces(mask), np.ones(3)), expected
    )


def test_distances_are_exact_where_slices_are_thick():
    # Beside a long face of 0.7 × 5 mm many small ones of 0.7 × 0.7 mm have nearer centres.
    mask = ellipsoid((14, 12, 22), (0.7, 0.7, 5.0), "hard")[1]
    scale = np.array([0.7, 0.7, 5.0])
    faces = boundary_faces(mask)
    points = np.random.default_rng(1).uniform(0, 1, (300, 3)) * mask.shape
    beyond = np.abs(points[:, None] - faces.centres) - faces.halves
    expected = np.linalg.norm(np.maximum(beyond, 0) * scale, axis=2).min(axis=1)
    np.testing.assert_allclose(distance_to_faces(points, faces, scale), expected)


def test_a_part_without_surface_counts_in_the_deviation():
    mask = np.zeros((60, 20, 12), dtype=bool)
    mask[4:14, 4:14, 3:9] = True
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    surface, _ = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    near = deviation_from_mask(surface, mask, affine)
    mask[44:54, 4:14, 3:9] = True  # a second piece, 30 mm off, that the surface leaves out
    far = deviation_from_mask(surface, mask, affine)
    assert near["maximum_mm"] < 3 and far["maximum_mm"] > 39
    assert far["p95_mm"] > 30 and far["within_half_voxel"] < 0.8


def lump() -> Surface:
    noise = gaussian_filter(np.random.default_rng(2).normal(size=(40, 40, 40)), 5)
    probability = np.clip(0.5 + 40 * (noise - 0.5 * noise.max()), 0, 1)
    return extract_surface(probability, probability > 0.5, np.eye(4), **SMOOTH, one_piece=True)[0]


def test_a_surface_is_reduced_to_a_number_of_triangles():
    surface = lump()
    reduced = reduce_surface(surface, triangles=1000, deviation_mm=None)
    assert len(reduced.triangles) <= 1000 < len(surface.triangles)
    assert is_manifold(reduced)
    assert volume_ml(reduced) == pytest.approx(volume_ml(surface), rel=1e-3)


def test_a_surface_is_reduced_as_far_as_the_deviation_allows():
    surface = lump()
    coarse = reduce_surface(surface, triangles=None, deviation_mm=0.3)
    fine = reduce_surface(surface, triangles=None, deviation_mm=0.05)
    assert len(coarse.triangles) < len(fine.triangles) < len(surface.triangles)
    assert deviation(surface, coarse) <= 0.3
    assert deviation(surface, fine) <= 0.05


def test_the_deviation_of_a_moved_surface_is_the_way_it_went():
    probability, mask, affine = ellipsoid((12, 12, 12), (1, 1, 1), "soft")
    sphere, _ = extract_surface(probability, mask, affine, **SMOOTH)
    centre = centre_of_gravity_mm(sphere)
    larger = Surface(centre + (sphere.vertices_mm - centre) * 13 / 12, sphere.triangles)
    assert deviation(sphere, larger) == pytest.approx(1.0, abs=0.05)


def test_a_flat_end_between_thick_slices_lies_midway():
    mask = np.zeros((30, 30, 8), dtype=bool)
    mask[5:25, 5:25, 2:6] = True
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    surface, _ = extract_surface(mask.astype(np.float32), mask, affine, **SMOOTH)
    # A tenth of a slice is left to the rounded rim, whose volume the flat ends take over.
    heights = surface.vertices_mm[:, 2]
    assert np.percentile(heights, 1) == pytest.approx(7.5, abs=0.5)
    assert np.percentile(heights, 99) == pytest.approx(27.5, abs=0.5)
