"""Networks by name: the paper's 3D U-Net and seven of MONAI's."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from workflow.liverseg.errors import fault
from workflow.liverseg.padding import Padded
from workflow.liverseg.unet3d import InstanceNorm, UNet3D


@dataclass(frozen=True)
class Plan:
    """A network in words that JSON can hold: a class of ours or of `monai.networks.nets`.

    Sides must be multiples of `multiple`; a network of one fixed size (UNETR) has `fixed`.
    """

    name: str
    arguments: dict[str, Any]
    multiple: int
    fixed: list[int] | None = None


def build_network(
    architecture: dict[str, Any], *, in_channels: int = 1, out_channels: int
) -> nn.Module:
    """Build the network that `architecture["network"]` names, with the settings beside it.

    It maps (batch, in_channels, x, y, z) to logits (batch, out_channels, x, y, z) of any size
    (UNETR: up to its `size`). LiversegError for an unknown name.
    """
    plan = plan_network(architecture, in_channels=in_channels, out_channels=out_channels)
    if plan.name == "UNet3D":
        return Padded(UNet3D(**plan.arguments), plan.multiple)
    nets = importlib.import_module("monai.networks.nets")
    network = getattr(nets, plan.name)(**plan.arguments)
    if plan.name == "UNet":
        _exchange_instance_norm(network)
    if plan.arguments.get("deep_supervision"):
        network = _Stacked(network)
    x, y, z = plan.fixed or (0, 0, 0)
    return Padded(network, plan.multiple, (x, y, z) if plan.fixed else None)


def plan_network(architecture: dict[str, Any], *, in_channels: int = 1, out_channels: int) -> Plan:
    """What `build_network` builds; LiversegError for an unknown name."""
    name = architecture["network"]
    if name not in BUILDERS:
        known = ", ".join(BUILDERS)
        raise fault(
            found=f"network {name!r}", expected=f"one of {known}", remedy="correct `models`"
        )
    return BUILDERS[name](architecture, {"in_channels": in_channels, "out_channels": out_channels})


def has_batch_norm(network: nn.Module) -> bool:
    """Whether any layer takes statistics over the batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def _exchange_instance_norm(network: nn.Module) -> None:
    """Put in our instance norm, which keeps the memory format."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.InstanceNorm3d):
                setattr(module, name, InstanceNorm(child.num_features))


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


def _unet3d(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    levels = settings.get("levels", 4)
    own = {
        "width": settings.get("width", 32),
        "levels": levels,
        "norm": settings.get("norm", "batch"),
        "deep_supervision": settings.get("deep_supervision", False),
    }
    return Plan("UNet3D", {**channels, **own}, 2 ** (levels - 1))


def _unet(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    widths = settings.get("channels", [16, 32, 64, 128])
    norm = settings.get("norm", "instance")
    own = {
        "spatial_dims": 3,
        "channels": widths,
        "strides": [2] * (len(widths) - 1),
        "num_res_units": settings.get("residual_units", 2),
        "norm": ["instance", {"affine": True}] if norm == "instance" else norm,
        "dropout": settings.get("dropout", 0.0),
    }
    return Plan("UNet", {**channels, **own}, 2 ** (len(widths) - 1))


def _attention_unet(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    widths = settings.get("channels", [16, 32, 64, 128])
    own = {
        "spatial_dims": 3,
        "channels": widths,
        "strides": [2] * (len(widths) - 1),
        "dropout": settings.get("dropout", 0.0),
    }
    return Plan("AttentionUnet", {**channels, **own}, 2 ** (len(widths) - 1))


def _segresnet(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    down = settings.get("blocks_down", [1, 2, 2, 4])
    own = {
        "spatial_dims": 3,
        "init_filters": settings.get("width", 16),
        "blocks_down": down,
        "blocks_up": settings.get("blocks_up") or [1] * (len(down) - 1),
        "dropout_prob": settings.get("dropout", 0.0) or None,
    }
    return Plan("SegResNet", {**channels, **own}, 2 ** (len(down) - 1))


def _unetr(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    own = {
        "img_size": settings["size"],
        "feature_size": settings.get("width", 16),
        "hidden_size": settings.get("hidden_size", 384),
        "mlp_dim": settings.get("mlp_dim", 1536),
        "num_heads": settings.get("heads", 6),
        "norm_name": "instance",
        "dropout_rate": settings.get("dropout", 0.0),
    }
    return Plan("UNETR", {**channels, **own}, 16, settings["size"])


def _vnet(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    dropout = settings.get("dropout", 0.0)
    own = {
        "spatial_dims": 3,
        "dropout_prob_down": dropout,
        "dropout_prob_up": [dropout, dropout],
    }
    return Plan("VNet", {**channels, **own}, 16)


def _dynunet(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    filters = settings.get("channels", [16, 32, 64, 128])
    own = {
        "spatial_dims": 3,
        "kernel_size": [3] * len(filters),
        "strides": [1] + [2] * (len(filters) - 1),
        "upsample_kernel_size": [2] * (len(filters) - 1),
        "filters": filters,
        "res_block": settings.get("residual", False),
        "deep_supervision": settings.get("deep_supervision", False),
        "deep_supr_num": max(1, len(filters) - 2),
    }
    return Plan("DynUNet", {**channels, **own}, 2 ** (len(filters) - 1))


def _swin_unetr(settings: dict[str, Any], channels: dict[str, int]) -> Plan:
    own = {
        "spatial_dims": 3,
        "feature_size": settings.get("width", 12),
        "depths": settings.get("depths", [2, 2, 2, 2]),
        "num_heads": settings.get("heads", [3, 6, 12, 24]),
        "drop_rate": settings.get("dropout", 0.0),
    }
    return Plan("SwinUNETR", {**channels, **own}, 32)


BUILDERS: dict[str, Callable[[dict[str, Any], dict[str, int]], Plan]] = {
    "unet3d": _unet3d,
    "unet": _unet,
    "attention_unet": _attention_unet,
    "segresnet": _segresnet,
    "unetr": _unetr,
    "vnet": _vnet,
    "dynunet": _dynunet,
    "swin_unetr": _swin_unetr,
}
