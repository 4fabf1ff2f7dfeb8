"""Clean-up: what goes, what stays, and that mask and probability agree afterwards."""

import tracemalloc

import numpy as np
import pytest

from workflow.liverseg.cleanup import clean_up
from workflow.liverseg.features import piece_features
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.pieces import OF_TUMOURS

NOTHING = {"largest_component": False, "smallest_ml": 0.0, "fill_holes": False}


def blobs():
    """A cube of 6³ with a hole of 2 voxels, a cube of 2³, and one voxel."""
    mask = np.zeros((20, 14, 12), np.uint8, order="F")
    mask[1:7, 1:7, 1:7] = 1
    mask[3, 3, 3:5] = 0
    mask[10:12, 10:12, 4:6] = 1
    mask[19, 13, 11] = 1
    return mask, np.where(mask > 0, 200, 90).astype(np.uint8)[..., None]


def consistent(mask, probability):
    return np.array_equal(probability.max(axis=-1) >= 128, mask > 0)


def test_nothing_is_changed_unless_asked_for():
    mask, probability = blobs()
    record = clean_up(mask, probability, 0.001, NOTHING)
    assert np.array_equal(mask, blobs()[0])
    assert (record.components, record.removed_components, record.filled_holes) == (3, 0, 0)
    assert record.largest_part == pytest.approx(214 / 223)


def test_largest_component_stays():
    mask, probability = blobs()
    record = clean_up(mask, probability, 0.001, NOTHING | {"largest_component": True})
    assert mask.sum() == 214
    assert record.removed_components == 2
    assert record.removed_ml == pytest.approx(0.009)
    assert consistent(mask, probability)


def test_small_components_go():
    mask, probability = blobs()
    record = clean_up(mask, probability, 0.001, NOTHING | {"smallest_ml": 0.005})
    assert mask.sum() == 222
    assert record.removed_components == 1
    assert consistent(mask, probability)


def test_holes_are_filled():
    mask, probability = blobs()
    record = clean_up(mask, probability, 0.001, NOTHING | {"fill_holes": True})
    assert mask[1:7, 1:7, 1:7].all()
    assert (record.filled_holes, record.filled_ml) == (1, pytest.approx(0.002))
    assert consistent(mask, probability)


def test_a_bay_is_no_hole():
    mask, probability = blobs()
    mask[3, 3, 5:] = 0  # the hole opens to the outside
    probability[3, 3, 5:] = 90
    assert clean_up(mask, probability, 0.001, NOTHING | {"fill_holes": True}).filled_holes == 0


def test_a_dent_at_the_border_of_the_scan_is_no_hole():
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[:, :, :4] = 1
    mask[4, 4, 0] = 0
    record = clean_up(mask, np.zeros((8, 8, 8, 1), np.uint8), 1.0, NOTHING | {"fill_holes": True})
    assert record.filled_holes == 0


def test_a_tumour_within_the_liver_is_part_of_it():
    mask, probability = blobs()
    mask[2:4, 2:4, 1] = 2
    clean_up(mask, probability, 0.001, NOTHING | {"largest_component": True, "fill_holes": True})
    assert np.count_nonzero(mask == 2) == 4


def test_empty_mask_stays_empty():
    mask = np.zeros((4, 4, 4), np.uint8)
    settings = {"largest_component": True, "smallest_ml": 5.0, "fill_holes": True}
    record = clean_up(mask, np.zeros((4, 4, 4, 1), np.uint8), 1.0, settings)
    assert (record.components, record.removed_ml, mask.any()) == (0, 0.0, False)


def test_everything_may_be_too_small():
    mask, probability = blobs()
    settings = {"largest_component": True, "smallest_ml": 5.0, "fill_holes": True}
    record = clean_up(mask, probability, 0.001, settings)
    assert not mask.any()
    assert record.removed_components == 3


def test_two_organs_are_cleaned_apart():
    mask = np.zeros((20, 14, 12), np.uint8, order="F")
    mask[1:7, 1:7, 1:7] = 1
    mask[10:14, 1:5, 1:5] = 2
    mask[11, 2, 2] = 0
    mask[18, 12, 10] = 2
    probability = np.stack([np.where(mask == k, 200, 20) for k in (1, 2)], -1).astype(np.uint8)
    chosen = {"largest_component": True, "smallest_ml": 0.0, "fill_holes": True}
    record = clean_up(mask, probability, 0.001, chosen, regions=((1,), (2,)))
    assert (np.count_nonzero(mask == 1), np.count_nonzero(mask == 2)) == (216, 64)
    assert (record.removed_components, record.filled_holes) == (1, 1)
    assert probability[11, 2, 2].tolist() == [20, 128]


def test_false_positives_in_opposite_corners_take_no_memory_of_the_scans_size():
    mask = np.zeros((64, 64, 800), np.uint8, order="F")
    mask[20:40, 20:40, 300:400] = 1
    mask[0, 0, 0] = mask[-1, -1, -1] = 1
    probability = np.zeros((*mask.shape, 1), np.uint8, order="F")
    settings = {"largest_component": True, "smallest_ml": 0.0, "fill_holes": True}
    tracemalloc.start()
    record = clean_up(mask, probability, 0.001, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.removed_components == 2
    assert peak < 0.6 * mask.size  # bytes; whole numbers of pieces take 4 a voxel and more


LIVER = {"name": "liver", "values": [1, 2, 3]}
NESTED = LabelMap.from_settings(
    [LIVER, {"name": "tumour", "values": [2, 3]}, {"name": "necrosis", "values": [3]}]
)


def liver_of_specks():
    """A liver of many slices with 170 tumours of one voxel, which touch at edges, and one of 4³."""
    mask = np.ones((24, 24, 40), np.uint8, order="F")
    mask[2:4, 2:6, 14:18] = 2  # across the border of two slabs
    mask[4:6, 2:6, 14:18] = 3
    specks = np.argwhere(np.indices((8, 8, 8)).sum(axis=0) % 2 == 0)[:170]
    mask[tuple((specks + np.array([9, 6, 12])).T)] = 2
    mask[22, 22, 22] = 3
    chances = np.zeros((*mask.shape, 3), np.uint8, order="F")
    for index in (1, 2, 3):
        chances[mask == index, index - 1] = 200
    chances[mask > 1, 0] = 50
    return mask, chances


def clean_liver(mask, chances, **changed):
    return clean_up(mask, chances, 0.001, NOTHING | changed, NESTED.outermost, NESTED.nested)


def test_specks_of_a_tumour_become_the_liver_around_them():
    mask, chances = liver_of_specks()
    before = chances.sum(axis=-1, dtype=int)
    record = clean_liver(mask, chances, smallest_ml=0.01)
    assert (record.merged_components, record.merged_ml) == (171, pytest.approx(0.171))
    assert (record.components, record.removed_components) == (1, 0)
    assert np.count_nonzero(mask == 1) == mask.size - 64
    assert np.count_nonzero(mask == 2) == np.count_nonzero(mask == 3) == 32
    assert np.array_equal(chances[..., 1:].sum(axis=-1, dtype=int) >= 128, mask > 1)
    assert np.array_equal(chances.sum(axis=-1, dtype=int), before)
    assert piece_features(mask > 1, 0.001, touching=OF_TUMOURS)["number"] == 1


def test_a_speck_of_two_classes_leaves_the_surface_too():
    mask, chances = liver_of_specks()
    mask[20, 20, 4] = 3
    chances[20, 20, 4] = 40, 110, 105  # neither is above half alone, together they are a tumour
    mask[20, 20, 30] = 0
    clean_liver(mask, chances, smallest_ml=0.01)
    assert mask[20, 20, 4] == 1
    assert chances[20, 20, 4, 1:].sum(dtype=int) < 128
    assert chances[20, 20, 4].sum(dtype=int) == 255


def test_what_goes_leaves_the_surface_whatever_its_classes():
    mask = np.zeros((12, 12, 12), np.uint8, order="F")
    mask[1:9, 1:9, 1:9] = 1
    mask[11, 11, 11] = 2
    chances = np.zeros((*mask.shape, 3), np.uint8, order="F")
    chances[mask == 1, 0] = 200
    chances[11, 11, 11] = 90, 100, 60
    clean_liver(mask, chances, largest_component=True)
    assert mask[11, 11, 11] == 0
    assert chances[11, 11, 11].sum(dtype=int) < 128


def test_a_speck_within_a_tumour_becomes_tumour():
    mask, chances = liver_of_specks()
    mask[4:6, 2:6, 14:18] = 2
    mask[3, 3, 15] = 3
    clean_liver(mask, chances, smallest_ml=0.01)
    assert (mask[3, 3, 15], np.count_nonzero(mask == 2), (mask == 3).any()) == (2, 64, False)


def test_tumours_stay_as_they_are_unless_a_size_is_asked_for():
    mask, chances = liver_of_specks()
    record = clean_liver(mask, chances, largest_component=True)
    assert np.array_equal(mask, liver_of_specks()[0])
    assert (record.merged_components, record.merged_ml) == (0, 0.0)
