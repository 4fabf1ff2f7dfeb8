"""Losses: what they are at the ends, and what counts in them."""

import math

import pytest
import torch

from workflow.liverseg.losses import (
    build_loss,
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
