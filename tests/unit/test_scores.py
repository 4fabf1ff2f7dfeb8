"""Scores against values worked out by hand and against a second implementation."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from workflow.liverseg.label_checks import describe, find_foreground
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.meshes import mask_volume_ml
from workflow.liverseg.percentiles import weighted_percentile
from workflow.liverseg.scores import (
    distance_scores,
    measure_surfaces,
    score_region,
    score_regions,
)
from workflow.liverseg.voxels import voxel_ml


def box(low: tuple[int, int, int], high: tuple[int, int, int], size: int = 24) -> np.ndarray:
    """A mask of a cube of `size` voxels, True from low up to but not including high."""
    mask = np.zeros((size, size, size), dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def score(predicted: np.ndarray, reference: np.ndarray, spacing=(1.0, 1.0, 1.0), tolerance=1.0):
    voxel_ml = float(np.prod(spacing)) / 1000
    return score_region(
        predicted, reference, spacing_mm=spacing, voxel_ml=voxel_ml, tolerance_mm=tolerance
    )


def test_overlap_of_two_boxes_worked_out_by_hand():
    # 10·10·10 against the same shifted by 2: 800 shared, 200 on either side, 24³ in all.
    scores = score(box((5, 5, 5), (15, 15, 15)), box((7, 5, 5), (17, 15, 15)))
    assert scores["dice"] == pytest.approx(1600 / 2000)
    assert scores["iou"] == pytest.approx(800 / 1200)
    assert scores["precision"] == scores["recall"] == pytest.approx(0.8)
    assert scores["specificity"] == pytest.approx((24**3 - 1200) / (24**3 - 1000))


def test_volumes_are_in_millilitres_of_the_spacing():
    scores = score(box((0, 0, 0), (10, 10, 10)), box((0, 0, 0), (10, 10, 8)), (0.5, 0.5, 4.0))
    assert scores["predicted_ml"] == pytest.approx(1.0)
    assert scores["reference_ml"] == pytest.approx(0.8)
    assert scores["volume_error_ml"] == pytest.approx(0.2)
    assert scores["volume_error_percent"] == pytest.approx(25.0)


def test_volume_error_has_a_sign_and_an_absolute_value():
    scores = score(box((0, 0, 0), (4, 10, 10)), box((0, 0, 0), (5, 10, 10)))
    assert scores["volume_error_percent"] == pytest.approx(-20.0)
    assert scores["absolute_volume_error_percent"] == pytest.approx(20.0)
    assert scores["absolute_volume_error_ml"] == pytest.approx(0.1)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.7, 5.0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shifted_planes_are_the_shift_apart(axis: int, spacing: tuple[float, float, float]):
    # Two blocks: their faces are parallel planes, one voxel apart. The sides coincide.
    low, first, second = [0, 0, 0], [24, 24, 24], [24, 24, 24]
    first[axis], second[axis] = 10, 11
    surfaces = measure_surfaces(box(low, first), box(low, second), spacing_mm=spacing)
    assert surfaces is not None
    assert surfaces.predicted_distances_mm.max() == pytest.approx(spacing[axis], rel=1e-6)


def box_area_mm2(sides: tuple[int, int, int], spacing=(1.0, 1.0, 1.0)) -> float:
    """Area by hand of a box of `sides` voxels, as elements at the voxels' corners have it.

    A corner on a face stands for a voxel's face; one on an edge for the plane through the middles
    of the two faces there; one of the box's eight for the triangle that cuts it off.
    """
    total = 0.0
    for axis in range(3):
        a, b = (other for other in range(3) if other != axis)
        total += 2 * (sides[a] - 1) * (sides[b] - 1) * spacing[a] * spacing[b]
        bevel = np.hypot(spacing[a], spacing[b]) / 2
        total += 4 * (sides[axis] - 1) * spacing[axis] * bevel
    x, y, z = spacing
    return total + 8 * np.sqrt((x * y) ** 2 + (y * z) ** 2 + (z * x) ** 2) / 8


# Elements of 24 × 24 voxels' face: 23² on it, 4 · 23 on its edges, 4 at its corners.
FACE_MM2 = 23**2 + 4 * 23 * np.sqrt(0.5) + 4 * np.sqrt(3) / 8


def test_nsd_counts_what_lies_within_the_tolerance():
    first, second = box((0, 0, 0), (24, 24, 10)), box((0, 0, 0), (24, 24, 12))
    near = score(first, second, tolerance=2.0)
    far = score(first, second, tolerance=1.9)
    assert near["nsd"] == 1.0
    # Both ends are out: the outer one whole, the inner one but for what is within 1.9 mm of the
    # outer box's sides, which leaves its 21² elements in the middle.
    total = box_area_mm2((24, 24, 10)) + box_area_mm2((24, 24, 12))
    assert far["nsd"] == pytest.approx(1 - (21**2 + FACE_MM2) / total, rel=1e-6)


def test_distances_of_parallel_planes_worked_out_by_hand():
    scores = score(box((0, 0, 0), (24, 24, 10)), box((0, 0, 0), (24, 24, 11)))
    # The ends are 1 mm apart; the inner one's rim lies on the outer one's sides.
    total = box_area_mm2((24, 24, 10)) + box_area_mm2((24, 24, 11))
    expected = (23**2 + FACE_MM2) / total
    assert scores["mean_surface_distance_mm"] == pytest.approx(expected, rel=1e-6)
    assert scores["hd95_mm"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (0.7, 0.8, 5.0)])
def test_surface_area_of_a_box_is_that_of_its_elements(spacing: tuple[float, float, float]):
    mask = box((2, 2, 2), (22, 20, 18))
    surfaces = measure_surfaces(mask, mask, spacing_mm=spacing)
    assert surfaces is not None
    expected = box_area_mm2((20, 18, 16), spacing)
    assert surfaces.predicted_areas_mm2.sum() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("voxel_mm", [1.0, 0.5])
def test_spheres_of_two_radii_are_their_difference_apart_but_for_part_of_a_voxel(voxel_mm: float):
    size = int(44 / voxel_mm)
    grid = (np.indices((size, size, size)) - (size - 1) / 2) * voxel_mm
    radius = np.sqrt((grid**2).sum(axis=0))
    large, small = radius < 20, radius < 17
    scores = score(large, small, (voxel_mm,) * 3, tolerance=2.0)
    # Elements on the corners of voxels: the mean of oblique surfaces is half a voxel too small.
    short = 3.0 - scores["mean_surface_distance_mm"]
    assert 0.4 * voxel_mm < short < 0.6 * voxel_mm
    assert scores["hd95_mm"] == pytest.approx(3.0, abs=0.05 * voxel_mm)
    assert scores["nsd"] < 0.1 * voxel_mm
    counted = 2 * small.sum() / (small.sum() + large.sum())
    assert scores["dice"] == pytest.approx(counted, rel=1e-12)
    assert scores["dice"] == pytest.approx(2 * 17**3 / (17**3 + 20**3), abs=0.002)


@pytest.mark.parametrize(
    ("predicted", "reference", "expected"),
    [
        (False, False, {"dice": 1.0, "iou": 1.0, "nsd": 1.0, "precision": None, "recall": None}),
        (False, True, {"dice": 0.0, "iou": 0.0, "nsd": 0.0, "precision": None, "recall": 0.0}),
        (True, False, {"dice": 0.0, "iou": 0.0, "nsd": 0.0, "precision": 0.0, "recall": None}),
    ],
)
def test_empty_masks_score_as_the_table_says(predicted: bool, reference: bool, expected: dict):
    full, empty = box((2, 2, 2), (6, 6, 6), 8), np.zeros((8, 8, 8), dtype=bool)
    scores = score(full if predicted else empty, full if reference else empty)
    assert {name: scores[name] for name in expected} == expected
    assert scores["hd95_mm"] is None
    assert scores["mean_surface_distance_mm"] is None
    assert scores["volume_error_percent"] == (-100.0 if reference else None)


def test_specificity_without_background_is_undefined():
    full = np.ones((4, 4, 4), dtype=bool)
    assert score(full, full)["specificity"] is None


def test_masks_at_the_border_of_the_scan_have_a_surface_there():
    full = np.ones((6, 6, 6), dtype=bool)
    scores = score(full, full)
    assert scores["nsd"] == 1.0
    assert scores["hd95_mm"] == 0.0


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        score(np.zeros((2, 2, 2), dtype=bool), np.zeros((2, 2, 3), dtype=bool))


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    draw = np.random.default_rng(seed)
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(draw.normal(size=(2, 18, 16, 14)), (0, 2, 2, 2))
    spacing = (float(draw.uniform(0.5, 1)), float(draw.uniform(0.5, 1)), float(draw.uniform(1, 4)))
    return noise[0] > 0.02, (noise[0] + 0.5 * noise[1]) > 0.02, spacing


@pytest.mark.parametrize("seed", range(5))
def test_identities_hold_on_random_masks(seed: int):
    predicted, reference, spacing = blobs(seed)
    scores, swapped = score(predicted, reference, spacing), score(reference, predicted, spacing)
    dice = scores["dice"]
    assert scores["iou"] == pytest.approx(dice / (2 - dice))
    assert dice == pytest.approx(
        2 * scores["precision"] * scores["recall"] / (scores["precision"] + scores["recall"])
    )
    assert scores["precision"] == swapped["recall"]
    for symmetric in ("dice", "nsd", "hd95_mm", "mean_surface_distance_mm"):
        assert scores[symmetric] == pytest.approx(swapped[symmetric])


def elements(mask: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Without MONAI: places (mm) of 2×2×2 neighbourhoods that are neither full nor empty."""
    padded = np.pad(mask, 1).astype(int)
    total = sum(
        padded[i : i - 1 or None, j : j - 1 or None, k : k - 1 or None]
        for i in (0, 1) for j in (0, 1) for k in (0, 1)
    )  # fmt: skip
    return np.argwhere((total > 0) & (total < 8)) * np.array(spacing)


@pytest.mark.parametrize("seed", range(5))
def test_surface_distances_agree_with_a_search_tree(seed: int):
    predicted, reference, spacing = blobs(seed)
    surfaces = measure_surfaces(predicted, reference, spacing_mm=spacing)
    assert surfaces is not None
    first, second = elements(predicted, spacing), elements(reference, spacing)
    to_second, to_first = cKDTree(second).query(first)[0], cKDTree(first).query(second)[0]
    np.testing.assert_allclose(
        np.sort(surfaces.predicted_distances_mm), np.sort(to_second), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        np.sort(surfaces.reference_distances_mm), np.sort(to_first), rtol=1e-6, atol=1e-6
    )
    scores = distance_scores(surfaces, tolerance_mm=1.5)
    areas = (surfaces.predicted_areas_mm2, surfaces.reference_areas_mm2)
    near = sum(
        area[distance <= 1.5].sum()
        for area, distance in zip(
            areas,
            (surfaces.predicted_distances_mm, surfaces.reference_distances_mm),
            strict=True,
        )
    )
    assert scores["nsd"] == pytest.approx(near / (areas[0].sum() + areas[1].sum()))


def test_weighted_percentile_is_the_value_that_the_weight_reaches():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([5.0, 90.0, 5.0])
    assert weighted_percentile(values, weights, 90.0) == 1.0
    assert weighted_percentile(values, weights, 95.0) == 2.0
    assert weighted_percentile(values, weights, 95.1) == 3.0


def test_a_region_that_nests_counts_the_inner_one():
    label_map = LabelMap.from_settings(
        [{"name": "liver", "values": [1, 2]}, {"name": "tumour", "values": [2]}]
    )
    reference = np.zeros((6, 6, 6), dtype=np.uint8)
    reference[1:5, 1:5, 1:5], reference[2:4, 2:4, 2:4] = 1, 2
    predicted = np.minimum(reference, 1)  # the tumour taken for liver
    scores = score_regions(
        predicted, reference, label_map=label_map, affine=np.eye(4), tolerance_mm=1.0
    )
    assert scores["liver"]["dice"] == 1.0
    assert scores["tumour"]["dice"] == 0.0


def test_volumes_of_a_sheared_grid_are_those_of_its_voxels():
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    affine[1, 2] = 2.0  # a gantry tilt: slices 5 mm apart, shifted by 2 mm each
    label_map = LabelMap.from_settings([{"name": "liver", "values": [1]}])
    mask = box((5, 5, 5), (15, 15, 15)).astype(np.uint8)
    scores = score_regions(mask, mask, label_map=label_map, affine=affine, tolerance_mm=1.0)
    assert scores["liver"]["reference_ml"] == pytest.approx(5.0)
    assert mask_volume_ml(mask, affine) == pytest.approx(5.0)
    foreground = find_foreground(mask, label_map)
    assert describe(foreground, label_map, voxel_ml(affine))["foreground_ml"] == 5.0
