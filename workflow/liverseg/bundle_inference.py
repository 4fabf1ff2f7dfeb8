"""Predicting with a MONAI bundle; copied into it, so it stands on torch and MONAI alone."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn


def predict(
    dataset: Iterable[dict[str, Any]],
    network: nn.Module,
    *,
    weights: str,
    inferer: Callable[[torch.Tensor, nn.Module], torch.Tensor],
    postprocessing: Callable[[dict[str, Any]], dict[str, Any]],
    device: torch.device,
) -> list[dict[str, Any]]:
    """Load the weights, predict every preprocessed image, and hand it to the postprocessing.

    Weights are read with `weights_only`: nothing in the file is executed.
    """
    network.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    network.to(device).eval()
    done = []
    with torch.inference_mode():
        for data in dataset:
            logits = inferer(data["image"][None].to(device), network)[0]
            done.append(postprocessing({**data, "pred": logits.clone()}))
    return done
