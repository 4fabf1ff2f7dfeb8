"""Predicting with a MONAI bundle; copied into it, so it stands on torch and MONAI alone."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from monai.inferers import sliding_window_inference
from torch import nn


class GrowingWindows:
    """Windows that slide over a volume and are as large as liverseg's own prediction has them.

    Of the patch trained on, or up to `enlarge` times as long where the volume reaches.
    """

    def __init__(self, patch: list[int], *, enlarge: float, overlap: float) -> None:
        """patch: voxels (x, y, z); overlap: least part that neighbouring windows share."""
        self.patch = patch
        self.enlarge = enlarge
        self.overlap = overlap

    def size(self, shape: Iterable[int]) -> list[int]:
        """Voxels of a window over a volume of `shape`; sides grow to multiples of 16."""
        return [
            max(side, min(int(side * self.enlarge) // 16 * 16, -(-n // 16) * 16))
            for side, n in zip(self.patch, shape, strict=True)
        ]

    def __call__(self, images: torch.Tensor, network: nn.Module) -> Any:
        """Logits (n, c, x, y, z) of images (n, 1, x, y, z)."""
        size = self.size(images.shape[2:])
        return sliding_window_inference(
            images, size, 1, network, overlap=self.overlap, mode="gaussian"
        )


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
