"""The 3D U-Net of Çiçek et al. 2016 (MICCAI), and narrower or deeper kin of it."""

import torch
from torch import nn
from torch.nn import functional


class InstanceNorm(nn.Module):
    """Instance normalisation with scale and shift, in either memory format.

    PyTorch's own converts `channels_last_3d` to channels first and back; on a CPU its batch
    norm over one sample at a time computes the same numbers without that detour.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise each sample and channel of `x` (batch, channels, x, y, z) on its own."""
        if x.device.type != "cpu" or torch.onnx.is_in_onnx_export():
            return functional.instance_norm(x, weight=self.weight, bias=self.bias)
        samples = [
            functional.batch_norm(sample, None, None, self.weight, self.bias, training=True)
            for sample in x.split(1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


def normalisation(norm: str, channels: int) -> nn.Module:
    """The layer that `norm` (`batch` or `instance`) names."""
    if norm == "batch":
        return nn.BatchNorm3d(channels)
    if norm == "instance":
        return InstanceNorm(channels)
    raise ValueError(f"norm must be batch or instance, not {norm!r}")


class TwoConvolutions(nn.Sequential):
    """Twice: 3×3×3 convolution, normalisation, ReLU."""

    def __init__(self, before: int, middle: int, after: int, norm: str) -> None:
        layers: list[nn.Module] = []
        for wide, narrow in ((before, middle), (middle, after)):
            layers += [nn.Conv3d(wide, narrow, 3, padding=1), normalisation(norm, narrow)]
            layers += [nn.ReLU(inplace=True)]
        super().__init__(*layers)


class UNet3D(nn.Module):
    """Encoder and decoder of `levels` resolutions with skip connections by concatenation.

    With `width` 32, four levels and batch norm it is the paper's: channels are doubled before
    each 2×2×2 max pooling (which avoids bottlenecks), up-convolutions are 2×2×2 and keep them.
    `deep_supervision` adds a 1×1×1 output at every coarser decoder level, used in training only.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        width: int = 32,
        levels: int = 4,
        norm: str = "batch",
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        self.encoder = nn.ModuleList(
            TwoConvolutions(
                in_channels if level == 0 else widths[level], widths[level], after, norm
            )
            for level, after in enumerate(widths[1:])
        )
        coarse_to_fine = list(reversed(range(1, levels)))
        self.upward = nn.ModuleList(
            nn.ConvTranspose3d(widths[level + 1], widths[level + 1], 2, stride=2, bias=False)
            for level in coarse_to_fine
        )
        self.decoder = nn.ModuleList(
            TwoConvolutions(widths[level + 1] + widths[level], widths[level], widths[level], norm)
            for level in coarse_to_fine
        )
        self.output = nn.Conv3d(widths[1], out_channels, 1)
        self.coarse_outputs = nn.ModuleList(
            nn.Conv3d(widths[level], out_channels, 1) for level in coarse_to_fine[:-1]
        )
        if not deep_supervision:
            self.coarse_outputs = nn.ModuleList()

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        """Logits (batch, classes, x, y, z); each side of `x` a multiple of 2^(levels − 1).

        In training with deep supervision: a list, the finest first.
        """
        skipped = []
        for level, block in enumerate(self.encoder):
            x = block(x if level == 0 else functional.max_pool3d(x, 2))
            skipped.append(x)
        skipped.pop()
        decoded = []
        for upward, block in zip(self.upward, self.decoder, strict=True):
            x = block(torch.cat([skipped.pop(), upward(x)], dim=1))
            decoded.append(x)
        logits = self.output(x)
        if not (self.training and len(self.coarse_outputs)):
            return logits
        coarse = [head(y) for head, y in zip(self.coarse_outputs, decoded[:-1], strict=True)]
        return [logits, *reversed(coarse)]


def parameters_as_the_paper_counts(network: nn.Module) -> int:
    """Parameters of convolutions and up-convolutions; those of normalisation are left out."""
    kinds = (nn.Conv3d, nn.ConvTranspose3d)
    return sum(
        parameter.numel()
        for module in network.modules()
        if isinstance(module, kinds)
        for parameter in module.parameters(recurse=False)
    )
