"""Trained networks as the plain callables that prediction slides over a CT."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from workflow.liverseg.devices import Compute
from workflow.liverseg.errors import fault
from workflow.liverseg.model_files import ModelCard, load_model
from workflow.liverseg.prediction import Network
from workflow.liverseg.windows import Predictor

AXES = {"x": 0, "y": 1, "z": 2}


class NetworkPredictor:
    """One network, with one or several flips whose answers are averaged.

    Called with windows (n, x, y, z) float32 in 0…1; gives (n, c, x, y, z) float32: softmax
    probabilities of the classes but the background.
    """

    def __init__(
        self, network: nn.Module, compute: Compute, flips: Sequence[tuple[int, ...]] = ((),)
    ) -> None:
        self.network = compute.place_network(fold_batch_norms(network.eval()))
        self.compute = compute
        self.flips = tuple(flips)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Probabilities of the foreground classes."""
        x = torch.from_numpy(windows)[:, None]
        total: torch.Tensor | None = None
        for flip in self.flips:
            answer = self._foreground(x, tuple(axis + 2 for axis in flip))
            total = answer if total is None else total.add_(answer)
        assert total is not None
        if len(self.flips) > 1:
            total /= len(self.flips)
        return total.numpy()

    def _foreground(self, x: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor:
        turned = x.flip(dims) if dims else x
        with torch.inference_mode(), self.compute.autocast():
            logits = self.network(self.compute.place(turned)).float()
        if logits.shape[1] == 2:
            probability = torch.sigmoid(logits[:, 1:] - logits[:, :1])
        else:
            probability = torch.softmax(logits, dim=1)[:, 1:]
        probability = probability.flip(dims) if dims else probability
        return probability.cpu().contiguous()


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Fold each batch norm that directly follows a convolution into it; equal up to rounding.

    In place, for a network in evaluation mode: an eighth to a fifth of a narrow network's time
    goes into passes over memory that this spares.
    """
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        for index in range(len(block) - 1):
            convolution, norm = block[index], block[index + 1]
            if isinstance(convolution, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d):
                block[index] = fuse_conv_bn_eval(convolution, norm)
                block[index + 1] = nn.Identity()
    return network


def flips_over(axes: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """All combinations of flips over `axes` (`x`, `y`, `z`), the window as it is among them."""
    numbers = sorted(AXES[axis] for axis in axes)
    return tuple(
        chosen for count in range(len(numbers) + 1) for chosen in combinations(numbers, count)
    )


def load_ensemble(
    weights: Sequence[Path], cards: Sequence[Path], *, flips: Sequence[str], compute: Compute
) -> tuple[Network, list[ModelCard]]:
    """Load models that were trained on the same kind of volume as one ensemble.

    Several models are the members that are compared; with one model its flips are.
    LiversegError where labels, preprocessing or patch differ.
    """
    loaded = [load_model(*files) for files in zip(weights, cards, strict=True)]
    first = loaded[0][1]
    for _, card in loaded[1:]:
        _check_alike(first, card)
    turns = flips_over(flips)
    if len(loaded) > 1:
        members: list[Predictor] = [
            NetworkPredictor(network, compute, turns) for network, _ in loaded
        ]
    else:
        members = [NetworkPredictor(loaded[0][0], compute, [turn]) for turn in turns]
    labels = first.label_map
    network = Network(
        members=members,
        preprocessing=first.preprocessing,
        patch=_patch(first),
        n_classes=labels.n_classes - 1,
        may_grow=all(getattr(network, "fixed", None) is None for network, _ in loaded),
        may_shrink=not any(takes_statistics(network) for network, _ in loaded),
        inner={name: labels.region(name) for name in labels.inner},
    )
    return network, [card for _, card in loaded]


def takes_statistics(network: nn.Module) -> bool:
    """Whether a layer's answer hangs on the size of its input (instance or group norm), or the
    network takes one size only."""
    if getattr(network, "fixed", None) is not None:
        return True
    kinds = {type(module).__name__.lower() for module in network.modules()}
    return any("instancenorm" in kind or "groupnorm" in kind for kind in kinds)


def _patch(card: ModelCard) -> tuple[int, int, int]:
    x, y, z = (int(side) for side in card.patch)
    return x, y, z


def _check_alike(first: ModelCard, other: ModelCard) -> None:
    for name in ("labels", "preprocessing", "patch"):
        expected, found = getattr(first, name), getattr(other, name)
        if expected != found:
            raise _unlike(first, other, name, expected, found)


def _unlike(first: ModelCard, other: ModelCard, name: str, expected: Any, found: Any) -> Exception:
    return fault(
        expected=f"models with the same {name}: {first.name} has {expected}",
        found=f"{other.name} has {found}",
        remedy="predict with each of these models on its own",
    )
