"""Slices in another order are rejected; where some are missing, a warning has to do."""

import numpy as np
import pytest

from tests.intake_cases import body
from workflow.liverseg.slice_order import THUMB, judge

COUNT = 60
ORDER = np.arange(COUNT)


def codes(order: np.ndarray, foreign: int | None = None) -> list[str]:
    data = body((40, 36, COUNT))[:: 40 // THUMB, :: 36 // THUMB, order].astype(np.float32)
    if foreign is not None:
        data[:, :, foreign] = np.random.default_rng(1).normal(0, 100, data.shape[:2])
    slices = np.moveaxis(data, 2, 0).clip(-200, 300).reshape(len(order), -1)
    return [finding.code for finding in judge(slices - slices.mean(axis=1)[:, None])]


@pytest.mark.parametrize("by", [COUNT // 2, COUNT // 4, COUNT // 5])
def test_a_volume_whose_halves_are_swapped_is_rejected(by):
    assert codes(np.roll(ORDER, by)) == ["slices_scrambled"]


def test_blocks_in_another_order_or_turned_over_are_rejected():
    first, second, third = np.split(ORDER, 3)
    assert codes(np.concatenate([first, third, second])) == ["slices_scrambled"]
    assert codes(np.concatenate([first[::-1], second, third])) == ["slices_scrambled"]


@pytest.mark.parametrize("lost", [15, 20, 25])
def test_missing_slices_are_warned_of(lost):
    assert codes(np.delete(ORDER, np.s_[20 : 20 + lost])) == ["slices_jump"]


def test_a_foreign_slice_between_is_warned_of():
    assert codes(ORDER, foreign=30) == ["slices_jump"]


def test_the_ordered_volume_is_sound_either_way_round():
    assert codes(ORDER) == codes(ORDER[::-1]) == []
