"""What cannot be trained is told when the configuration is checked, with the remedy."""

from typing import Any

import pytest

from tests.conftest import ROOT
from tests.unit.test_networks import SMALL
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.model_checks import takes_batch_norm
from workflow.liverseg.networks import BUILDERS, build_network, has_batch_norm
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
    checked({**UNETR, "hidden_size": 96})
    checked({"network": "swin_unetr"})


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(LiversegError, match=r"precision: float16.*bfloat16"):
        checked({"network": "unet"}, device="cpu", precision="float16")
    checked({"network": "unet"}, device="auto", precision="float16")
