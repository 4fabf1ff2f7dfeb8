"""Networks by name: the paper's 3D U-Net and seven of MONAI's."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from workflow.liverseg.errors import fault
from workflow.liverseg.unet3d import InstanceNorm, UNet3D

Builder = Callable[[dict[str, Any], int, int], tuple[nn.Module, int]]


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


def build_network(
    architecture: dict[str, Any], *, in_channels: int = 1, out_channels: int
) -> nn.Module:
    """Build the network that `architecture["network"]` names, with the settings beside it.

    It maps (batch, in_channels, x, y, z) to logits (batch, out_channels, x, y, z) of any size
    (UNETR: up to its `size`). LiversegError for an unknown name.
    """
    name = architecture["network"]
    if name not in BUILDERS:
        known = ", ".join(BUILDERS)
        raise fault(
            found=f"network {name!r}", expected=f"one of {known}", remedy="correct `models`"
        )
    network, multiple = BUILDERS[name](architecture, in_channels, out_channels)
    fixed = tuple(architecture["size"]) if name == "unetr" else None
    return Padded(network, multiple, fixed)


def has_batch_norm(network: nn.Module) -> bool:
    """Whether any layer takes statistics over the batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def _unet3d(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    levels = settings.get("levels", 4)
    network = UNet3D(
        in_channels=inputs,
        out_channels=outputs,
        width=settings.get("width", 32),
        levels=levels,
        norm=settings.get("norm", "batch"),
        deep_supervision=settings.get("deep_supervision", False),
    )
    return network, 2 ** (levels - 1)


def _unet(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import UNet

    channels = settings.get("channels", [16, 32, 64, 128])
    network = UNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        num_res_units=settings.get("residual_units", 2),
        norm=settings.get("norm", "instance"),
        dropout=settings.get("dropout", 0.0),
    )
    _exchange_instance_norm(network)
    return network, 2 ** (len(channels) - 1)


def _exchange_instance_norm(network: nn.Module) -> None:
    """Put in our instance norm, which keeps the memory format and learns scale and shift."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm3d):
                setattr(module, name, InstanceNorm(child.num_features))


def _attention_unet(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import AttentionUnet

    channels = settings.get("channels", [16, 32, 64, 128])
    network = AttentionUnet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        channels=channels,
        strides=[2] * (len(channels) - 1),
        dropout=settings.get("dropout", 0.0),
    )
    return network, 2 ** (len(channels) - 1)


def _segresnet(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import SegResNet

    down = settings.get("blocks_down", [1, 2, 2, 4])
    network = SegResNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        init_filters=settings.get("width", 16),
        blocks_down=down,
        blocks_up=settings.get("blocks_up", [1] * (len(down) - 1)),
        dropout_prob=settings.get("dropout", 0.0) or None,
    )
    return network, 2 ** (len(down) - 1)


def _unetr(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import UNETR

    network = UNETR(
        in_channels=inputs,
        out_channels=outputs,
        img_size=settings["size"],
        feature_size=settings.get("width", 16),
        hidden_size=settings.get("hidden_size", 384),
        mlp_dim=settings.get("mlp_dim", 1536),
        num_heads=settings.get("heads", 6),
        norm_name="instance",
        dropout_rate=settings.get("dropout", 0.0),
    )
    return network, 16


def _vnet(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import VNet

    dropout = settings.get("dropout", 0.0)
    network = VNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        dropout_prob_down=dropout,
        dropout_prob_up=(dropout, dropout),
    )
    return network, 16


def _dynunet(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import DynUNet

    filters = settings.get("channels", [16, 32, 64, 128])
    deep = settings.get("deep_supervision", False)
    network = DynUNet(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=[3] * len(filters),
        strides=[1] + [2] * (len(filters) - 1),
        upsample_kernel_size=[2] * (len(filters) - 1),
        filters=filters,
        res_block=settings.get("residual", False),
        deep_supervision=deep,
        deep_supr_num=max(1, len(filters) - 2),
    )
    return (_Stacked(network) if deep else network), 2 ** (len(filters) - 1)


def _swin_unetr(settings: dict[str, Any], inputs: int, outputs: int) -> tuple[nn.Module, int]:
    from monai.networks.nets import SwinUNETR

    network = SwinUNETR(
        spatial_dims=3,
        in_channels=inputs,
        out_channels=outputs,
        feature_size=settings.get("width", 12),
        depths=settings.get("depths", [2, 2, 2, 2]),
        num_heads=settings.get("heads", [3, 6, 12, 24]),
        drop_rate=settings.get("dropout", 0.0),
    )
    return network, 32


class _Stacked(nn.Module):
    """DynUNet hands its supervised levels out as one stacked tensor of full size: a list here."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        logits = self.network(x)
        if not self.training:
            return logits
        return [
            level if index == 0 else functional.avg_pool3d(level, 2**index)
            for index, level in enumerate(logits.unbind(dim=1))
        ]


BUILDERS: dict[str, Builder] = {
    "unet3d": _unet3d,
    "unet": _unet,
    "attention_unet": _attention_unet,
    "segresnet": _segresnet,
    "unetr": _unetr,
    "vnet": _vnet,
    "dynunet": _dynunet,
    "swin_unetr": _swin_unetr,
}
