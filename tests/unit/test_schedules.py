"""Learning rates over the steps, and optimisers by name."""

import pytest
import torch

from workflow.liverseg.schedules import build_optimiser, rate_factor

STEPS = 100


@pytest.mark.parametrize("name", ["constant", "cosine", "polynomial", "one_cycle"])
def test_rates_stay_within_0_and_1_and_reach_the_top(name):
    settings = {"name": name, "warmup_steps": 10, "power": 0.9}
    factors = [rate_factor(settings, step, STEPS) for step in range(STEPS)]
    assert 0 < min(factors) <= max(factors) <= 1
    assert max(factors) > 0.95
    assert factors[0] < 0.2
    assert name == "constant" or factors[-1] < 0.05


def test_warmup_rises():
    settings = {"name": "constant", "warmup_steps": 3}
    rising = [rate_factor(settings, step, STEPS) for step in range(5)]
    assert rising == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimisers_by_name(name, kind):
    settings = {"name": name, "learning_rate": 0.1, "weight_decay": 0.01, "momentum": 0.9}
    optimiser = build_optimiser(torch.nn.Linear(2, 2), settings)
    assert isinstance(optimiser, kind)
    assert optimiser.param_groups[0]["weight_decay"] == 0.01
