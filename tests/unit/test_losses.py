"""Losses: what they are at the ends, and what counts in them."""

import math

import pytest
import torch

from workflow.liverseg.losses import (
    build_loss,
    coarser,
    deeply_supervised,
    frequency_weights,
    overlap,
)

NAMES = ["dice_cross_entropy", "dice", "cross_entropy", "dice_focal", "tversky"]


def cube(classes: int = 2) -> torch.Tensor:
    truth = torch.zeros(1, 8, 8, 8, dtype=torch.int64)
    truth[:, 2:6, 2:6, 2:6] = 1
    if classes > 2:
        truth[:, 3:5, 3:5, 3:5] = 2
    return truth


def logits_of(truth: torch.Tensor, classes: int, strength: float = 20.0) -> torch.Tensor:
    return torch.nn.functional.one_hot(truth, classes).movedim(-1, 1).float() * strength


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_truth_costs_nothing_and_error_costs(name, classes):
    truth, loss = cube(classes), build_loss({"name": name})
    right = loss(logits_of(truth, classes), truth)
    wrong = loss(logits_of((truth + 1) % classes, classes), truth)
    assert right.item() == pytest.approx(0, abs=1e-3)
    assert wrong.item() > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_patch_without_foreground_has_a_finite_gradient(name):
    truth = torch.zeros(1, 4, 4, 4, dtype=torch.int64)
    logits = torch.zeros(1, 2, 4, 4, 4, requires_grad=True)
    build_loss({"name": name})(logits, truth).backward()
    assert torch.isfinite(logits.grad).all()


def test_background_does_not_enter_dice():
    truth = cube()
    nothing_found = logits_of(torch.zeros_like(truth), 2)
    assert build_loss({"name": "dice"})(nothing_found, truth).item() > 0.95


def test_dice_of_a_half_found_cube():
    probability = torch.zeros(1, 2, 8, 8, 8)
    probability[:, 1, 2:6, 2:6, 2:4] = 1.0  # half of the 64 voxels
    dice = overlap(probability, cube()).dice()
    assert dice.item() == pytest.approx((2 * 32 + 1) / (32 + 64 + 1))


def test_weighted_cross_entropy_weighs():
    truth = cube()
    miss_all = logits_of(torch.zeros_like(truth), 2, strength=3.0)
    plain = build_loss({"name": "cross_entropy"})(miss_all, truth)
    heavy = build_loss({"name": "cross_entropy"}, torch.tensor([0.1, 10.0]))(miss_all, truth)
    assert heavy > plain


def test_frequency_weights_favour_the_rare():
    weights = frequency_weights([900, 100])
    assert weights[1] / weights[0] == pytest.approx(3)
    assert sum(weights) == pytest.approx(2)


def test_deep_supervision_is_a_weighted_mean_of_levels():
    truth = cube()
    levels = [logits_of(truth[:, ::step, ::step, ::step], 2) for step in (1, 2)]
    levels[1] = -levels[1]
    loss = build_loss({"name": "cross_entropy"})
    expected = (loss(levels[0], truth) + 0.5 * loss(levels[1], truth[:, ::2, ::2, ::2])) / 1.5
    assert deeply_supervised(loss, levels, truth).item() == pytest.approx(expected.item())
    assert math.isfinite(expected)


def test_a_coarse_voxel_is_what_fills_most_of_it():
    blocks = {  # voxels of each class in a block of 8
        (8, 0, 0): 0,
        (5, 3, 0): 0,
        (4, 4, 0): 1,
        (7, 0, 1): 0,
        (3, 5, 0): 1,
        (3, 3, 2): 1,  # foreground together, though background is as frequent as the most
        (4, 2, 2): 2,
        (0, 2, 6): 2,
    }
    voxels = [[index for index, n in enumerate(counts) for _ in range(n)] for counts in blocks]
    classes = torch.tensor(voxels).reshape(len(blocks), 2, 2, 2)
    assert coarser(classes, 2, 3).flatten().tolist() == list(blocks.values())


@pytest.mark.parametrize("step", [2, 4])
def test_coarse_labels_lie_where_the_fine_ones_do(step):
    shifts = []
    for start in range(8, 16):
        fine = torch.zeros(1, 48, 48, 48, dtype=torch.int64)
        fine[:, start : start + 19, 8:27, 8:27] = 1
        rows = coarser(fine, step, 2)[0, :, 4 * 4 // step, 4 * 4 // step].nonzero().double()
        middle = float((rows * step + (step - 1) / 2).mean())
        shifts.append(middle - (start + 9))
    assert abs(sum(shifts) / len(shifts)) < 0.3


def test_a_last_block_that_is_cut_off_has_a_class_of_its_own_voxels():
    classes = torch.zeros(1, 5, 4, 7, dtype=torch.int64)
    classes[:, 4, :, 6] = 3
    coarse = coarser(classes, 2, 4)
    assert coarse.shape == (1, 3, 2, 4)
    assert coarse[0, 2, :, 3].tolist() == [3, 3]
    assert int(coarse.sum()) == 6


def test_deep_supervision_costs_nothing_where_every_level_is_right():
    truth = torch.zeros(1, 16, 16, 16, dtype=torch.int64)
    truth[:, 3:12, 3:12, 3:12] = 1
    truth[:, 6:9, 6:9, 6:9] = 2
    right = [truth, coarser(truth, 2, 3), coarser(truth, 4, 3)]
    levels = [logits_of(level, 3) for level in right]
    loss = build_loss({"name": "cross_entropy"})
    assert deeply_supervised(loss, levels, truth).item() == pytest.approx(0, abs=1e-6)
