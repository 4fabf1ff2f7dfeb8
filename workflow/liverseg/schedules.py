"""Optimisers and learning rates; a rate is a function of the step alone, so nothing to restore."""

import math
from typing import Any

import torch
from torch import nn


def build_optimiser(network: nn.Module, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with Nesterov momentum over all parameters that want a gradient."""
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if settings["name"] == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay)
    if settings["name"] == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay)
    if settings["name"] == "sgd":
        momentum = settings["momentum"]
        return torch.optim.SGD(
            parameters, lr=rate, weight_decay=decay, momentum=momentum, nesterov=momentum > 0
        )
    raise ValueError(f"optimiser must be adam, adamw or sgd, not {settings['name']!r}")


def rate_factor(settings: dict[str, Any], step: int, steps: int) -> float:
    """The share of the full learning rate at `step` of `steps`: warm-up, then the schedule.

    `one_cycle` (Smith 2018) rises by a cosine over the first 30 % and falls over the rest; its
    warm-up is its own.
    """
    name = settings["name"]
    if name == "one_cycle":
        top = max(1, round(0.3 * steps))
        if step < top:
            return 0.04 + 0.96 * (1 - math.cos(math.pi * step / top)) / 2
        return max(1e-4, (1 + math.cos(math.pi * (step - top) / max(1, steps - top))) / 2)
    warmup = settings["warmup_steps"]
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - warmup)
    if name == "constant":
        return 1.0
    if name == "cosine":
        return (1 + math.cos(math.pi * done)) / 2
    if name == "polynomial":
        return (1 - done) ** settings["power"]
    raise ValueError(f"unknown schedule {name!r}")
