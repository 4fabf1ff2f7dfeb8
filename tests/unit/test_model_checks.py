"""What cannot be trained is told when the configuration is checked, with the remedy."""

from typing import Any

import pytest
import torch

from tests.conftest import ROOT
from tests.unit.test_networks import SMALL
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.model_checks import coarsest, takes_batch_norm
from workflow.liverseg.networks import BUILDERS, build_network, has_batch_norm, plan_network
from workflow.liverseg.settings import check, read_config

NORMS = ("batch", "instance")
UNETR = {"network": "unetr", "size": [64, 64, 16], "hidden_size": 100, "heads": 6}


def checked(model: dict[str, Any], *, train: bool = True, **training: Any) -> dict[str, Any]:
    config = read_config(ROOT / "config/config.yaml")
    config["models"]["mine"] = model
    if train:
        config["train"] = ["unet3d-narrow", "mine"]
    config["training"] |= training
    return check(config)


@pytest.mark.parametrize(
    "model",
    [
        *({"network": network} for network in BUILDERS),
        *({"network": name, "norm": norm} for name in ("unet", "unet3d") for norm in NORMS),
    ],
    ids=lambda model: "-".join(model.values()),
)
def test_batch_norm_is_known_without_building_the_network(model):
    built = build_network({**SMALL[model["network"]], **model}, out_channels=2)
    assert takes_batch_norm(model) == has_batch_norm(built)


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        ({"network": "unet3d"}, "`norm: instance`"),
        ({"network": "unet", "norm": "batch"}, "`norm: instance`"),
        ({"network": "vnet"}, "another network"),
    ],
)
def test_batch_norm_with_one_sample_is_refused_with_the_remedy(model, remedy):
    alone = {**model, "training": {"batch_size": 1}}
    with pytest.raises(LiversegError, match=rf"models\.mine: batch norm .*{remedy}"):
        checked(alone)
    checked(alone, train=False)  # in the catalogue it harms nobody
    checked(model, batch_size=2)


def test_without_batch_norm_one_sample_will_do():
    checked({"network": "unet", "training": {"batch_size": 1}})


def test_class_weights_are_as_many_as_classes():
    with pytest.raises(LiversegError, match="holds 3 numbers for 2 classes"):
        checked({"network": "unet"}, loss={"class_weights": [1, 2, 3]})
    for weights in ([1, 2], "frequency", None):
        checked({"network": "unet"}, loss={"class_weights": weights})


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (UNETR, "`hidden_size` 100 is no multiple of `heads` 6"),
        (
            {"network": "swin_unetr", "heads": [3, 5, 12, 24]},
            "`heads` 5 of stage 2 do not divide its 24 channels",
        ),
    ],
)
def test_heads_must_share_a_token_evenly(model, words):
    with pytest.raises(LiversegError, match=words):
        checked(model)
    checked({**UNETR, "hidden_size": 96, "training": {"patch": [64, 64, 16]}})
    checked({"network": "swin_unetr"})


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(LiversegError, match=r"precision: float16.*bfloat16"):
        checked({"network": "unet"}, device="cpu", precision="float16")
    checked({"network": "unet"}, device="auto", precision="float16")


@pytest.mark.parametrize(
    ("model", "training", "words"),
    [
        (
            {"network": "segresnet", "blocks_down": [1, 2, 2], "blocks_up": [1, 1, 1]},
            {},
            "`blocks_up` holds 3 numbers for 3 levels",
        ),
        (
            {"network": "unet", "channels": [4, 4, 4, 4, 4]},
            {"patch": [16, 16, 16]},
            "samples of 16×16×16 voxels are one voxel at the deepest level",
        ),
        (
            {"network": "swin_unetr"},
            {"patch": [32, 32, 16]},
            "32 times as coarse",
        ),
        (
            {**UNETR, "hidden_size": 96},
            {},  # chunks of 112 × 112 × 16
            r"samples of 112×112×16 voxels do not fit `size` \[64, 64, 16\]",
        ),
        ({"network": "unet"}, {"patch": [96, 96, 96]}, "air for the most part"),
        ({"network": "unet"}, {"loss": {"class_weights": [0, 0]}}, "nothing is left to learn"),
        (
            {"network": "unet"},
            {"loss": {"name": "dice", "class_weights": [1, 2]}},
            "which dice has not",
        ),
    ],
    ids=lambda value: value["network"] if isinstance(value, dict) and "network" in value else None,
)
def test_what_would_fail_after_hours_is_told_at_once(model, training, words):
    with pytest.raises(LiversegError, match=words):
        checked({**model, "training": training})


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_a_segresnet_of_any_depth_is_built_with_a_block_a_level_on_the_way_up(levels):
    config = checked({"network": "segresnet", "width": 8, "blocks_down": [1] * levels})
    built = build_network(config["models"]["mine"], out_channels=2)
    assert built(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)


@pytest.mark.parametrize("network", BUILDERS)
def test_the_deepest_level_is_known_without_building_the_network(network):
    config = checked(
        {"network": network, **SMALL[network], "training": {"patch": [64, 64, 16]}}, train=False
    )
    model = config["models"]["mine"]
    assert coarsest(model) == plan_network(model, out_channels=2).multiple
