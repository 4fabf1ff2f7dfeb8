"""Sizes that a network cannot take: padded before it, cropped after it. Stands on torch alone."""

import torch
from torch import nn
from torch.nn import functional


class Padded(nn.Module):
    """A network that takes any size: pads with 0 (air) to a multiple, crops what comes out.

    Sides end at multiples of `multiple`; a network of one fixed size (UNETR) has `fixed`.
    """

    def __init__(
        self, network: nn.Module, multiple: int, fixed: tuple[int, int, int] | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple
        self.fixed = fixed

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Logits (batch, classes, x, y, z) of `x` (batch, channels, x, y, z), same x, y, z."""
        shape = x.shape[2:]
        wanted = self.fixed or [-(-side // self.multiple) * self.multiple for side in shape]
        missing = [want - side for want, side in zip(wanted, shape, strict=True)]
        if min(missing) < 0:
            raise ValueError(f"chunks of {tuple(shape)} do not fit a network of {tuple(wanted)}")
        if not any(missing):
            return self.network(x)
        padding = [end for side in reversed(missing) for end in (0, side)]
        logits = self.network(functional.pad(x, padding))
        if isinstance(logits, list):
            return [_cropped(level, shape, index) for index, level in enumerate(logits)]
        return _cropped(logits, shape, 0)


def _cropped(logits: torch.Tensor, shape: torch.Size, level: int) -> torch.Tensor:
    i, j, k = (-(-side // 2**level) for side in shape)
    return logits[:, :, :i, :j, :k]
