"""Measurements of regions whose figures are known; IBSI's own definitions."""

import numpy as np
import pytest
from scipy import stats

from workflow.liverseg.feature_rows import feature_row
from workflow.liverseg.features import (
    histogram,
    intensity_features,
    piece_features,
    shape_features,
)
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.mesh_records import region_probability, region_record
from workflow.liverseg.meshes import EMPTY, Correction, Surface
from workflow.liverseg.pieces import OF_TUMOURS

NESTED = LabelMap.from_settings(
    [{"name": "liver", "values": [1, 2]}, {"name": "tumour", "values": [2]}]
)


def cube(edge_mm: float) -> Surface:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * edge_mm
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [half for a, b, c, d in quads for half in ((a, b, c), (a, c, d))]
    return Surface(corners, np.array(triangles))


def test_shape_of_a_cube():
    shape = shape_features(cube(10.0))
    assert shape["volume_mesh_ml"] == pytest.approx(1.0)
    assert shape["surface_area_cm2"] == pytest.approx(6.0)
    assert shape["sphericity"] == pytest.approx((np.pi / 6) ** (1 / 3))
    assert shape["surface_to_volume_per_mm"] == pytest.approx(0.6)
    assert shape["maximum_diameter_mm"] == pytest.approx(10 * np.sqrt(3))
    assert shape["extents_mm"] == [10.0, 10.0, 10.0]


def test_intensity_of_few_values_worked_out_by_hand():
    found = intensity_features(np.array([-10.0, 0, 10, 20, 80]))
    assert found["mean"] == pytest.approx(20.0)
    assert found["variance"] == pytest.approx((900 + 400 + 100 + 0 + 3600) / 5)
    assert (found["median"], found["minimum"], found["maximum"]) == (10.0, -10.0, 80.0)
    assert (found["interquartile_range"], found["range"]) == (20.0, 90.0)


def test_kurtosis_of_a_normal_distribution_is_zero():
    found = intensity_features(stats.norm.ppf(np.linspace(0.0005, 0.9995, 20_000)) * 10 + 100)
    assert found["skewness"] == pytest.approx(0.0, abs=0.01)
    assert found["kurtosis"] == pytest.approx(0.0, abs=0.1)


def test_voxels_that_are_all_equal_have_no_skewness():
    found = intensity_features(np.full(7, 55.0))
    assert (found["skewness"], found["kurtosis"], found["standard_deviation"]) == (0.0, 0.0, 0.0)


def test_a_histogram_counts_each_voxel_once():
    bins = histogram(np.array([-5.0, 0.0, 9.9, 10.0, 31.0]))
    assert bins == {"first_hu": -10.0, "bin_hu": 10.0, "counts": [1, 2, 1, 0, 1]}


def test_tumours_are_counted_and_measured_from_the_largest_on():
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[1:3, 1:3, 1:3] = mask[6, 6, 6] = True
    assert piece_features(mask, 0.5) == {"number": 2, "volumes_ml": [4.0, 0.5]}


def test_voxels_that_touch_at_a_corner_are_one_piece_of_an_organ_and_two_tumours():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    assert piece_features(mask, 1.0)["number"] == 1
    assert piece_features(mask, 1.0, touching=OF_TUMOURS)["number"] == 2


def test_the_record_of_an_absent_region_is_null_and_still_a_row():
    nothing = np.zeros((4, 4, 4), dtype=bool)
    record = region_record(EMPTY, nothing, np.eye(4), np.zeros((4, 4, 4)), Correction())
    assert record["absent"] is True
    assert record["volume_ml"] is None
    row = feature_row(record)
    assert (row["pieces"], row["volume_voxels_ml"], row["mean_hu"]) == (0, 0.0, None)


def test_a_row_names_units_and_holds_no_lists():
    mask = np.zeros((4, 4, 4), dtype=bool)
    mask[1:3, 1:3, 1:3] = True
    row = feature_row(
        region_record(cube(2.0), mask, np.eye(4), np.full((4, 4, 4), 60.0), Correction())
    )
    assert (row["extent_l_mm"], row["mean_hu"], row["largest_piece_ml"]) == (2.0, 60.0, 0.008)
    assert not any(isinstance(value, (list, dict)) for value in row.values())


def test_the_livers_probability_holds_that_of_its_tumour():
    chances = np.zeros((1, 1, 1, 2), dtype=np.float32)
    chances[..., 0], chances[..., 1] = 0.25, 0.5
    assert region_probability(chances, NESTED, "liver").item() == 0.75
    assert region_probability(chances, NESTED, "tumour").item() == 0.5


def test_probabilities_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match="2 foreground classes"):
        region_probability(np.zeros((1, 1, 1)), NESTED, "liver")
