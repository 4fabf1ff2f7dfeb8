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


def pictures(*blocks: np.ndarray) -> np.ndarray:
    return np.concatenate(blocks).reshape(sum(map(len, blocks)), -1)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-200, 300, (1, 24, 24))


def walk_through(count: int, seed: int = 0) -> np.ndarray:
    """Slices that change by and by into something else."""
    places = np.linspace(0, 5, count)[:, None, None]
    whole = np.minimum(places.astype(int), 4)
    steps = np.concatenate([noise(seed + step) for step in range(6)])
    part = places - whole
    return steps[whole[:, 0, 0]] * (1 - part) + steps[whole[:, 0, 0] + 1] * part


def verdicts(slices: np.ndarray) -> list[str]:
    return [found.code for found in judge(slices - slices.mean(axis=1)[:, None])]


def test_bare_table_at_both_ends_of_a_whole_body_is_no_other_order():
    table = np.full((4, 24, 24), -200.0)
    table[:, 20] = 200
    assert verdicts(pictures(table, walk_through(60), table)) == ["slices_jump"]


def test_outer_ends_that_are_alike_do_not_tell_of_order_where_other_jumps_are_left():
    there, foreign = walk_through(60), np.repeat(noise(99), 4, axis=0)
    back = np.concatenate([walk_through(60, seed=50)[:40], there[:1]])
    back[-12:] = np.linspace(back[-13], there[0], 13)[1:]
    assert verdicts(pictures(there[:40], foreign, back)) == ["slices_jump"]


def test_two_artefacts_that_look_the_same_are_no_other_order():
    whole, artefact = walk_through(60), np.repeat(noise(99), 4, axis=0)
    parts = whole[:20], artefact, whole[20:40], artefact, whole[40:]
    assert verdicts(pictures(*parts)) == ["slices_jump"]


def test_blocks_in_another_order_are_still_told_beside_an_artefact():
    whole, artefact = walk_through(60), np.repeat(noise(99), 4, axis=0)
    parts = whole[20:40], artefact, whole[:20], whole[40:]
    assert verdicts(pictures(*parts)) == ["slices_scrambled"]
