"""What cannot be trained is said while the settings are read."""

import copy
import os

import pytest

from tests.conftest import ROOT
from workflow.liverseg.devices import choose_compute, machine_settings
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.networks import build_network, has_batch_norm
from workflow.liverseg.released import weights_to_begin_from
from workflow.liverseg.settings import check, merged, read_config
from workflow.liverseg.training_settings import _has_batch_norm

DEFAULTS = read_config(ROOT / "config" / "config.yaml")
NETWORKS = {
    "unet3d": {"network": "unet3d", "width": 4},
    "unet3d-instance": {"network": "unet3d", "width": 4, "norm": "instance"},
    "unet": {"network": "unet", "channels": [4, 8]},
    "unet-batch": {"network": "unet", "channels": [4, 8], "norm": "batch"},
    "attention_unet": {"network": "attention_unet", "channels": [4, 8]},
    "segresnet": {"network": "segresnet", "width": 8},
    "unetr": {"network": "unetr", "size": [32, 32, 16], "hidden_size": 24},
    "vnet": {"network": "vnet"},
    "dynunet": {"network": "dynunet", "channels": [4, 8, 8]},
    "swin_unetr": {"network": "swin_unetr"},
}


def config_with(model: dict, **training) -> dict:
    config = copy.deepcopy(DEFAULTS)
    config["models"] = {"mine": model}
    config["train"] = ["mine"]
    config["training"] = merged(config["training"], training)
    return config


@pytest.mark.parametrize("name", NETWORKS)
def test_the_settings_know_which_networks_have_batch_norm(name):
    model = check(config_with(NETWORKS[name]))["models"]["mine"]
    assert _has_batch_norm(model) == has_batch_norm(build_network(model, out_channels=2))


def test_batch_norm_with_one_sample_is_refused_with_the_remedy():
    with pytest.raises(LiversegError, match=r"models.mine: batch norm.*norm: instance"):
        check(config_with(NETWORKS["unet3d"], batch_size=1))
    check(config_with(NETWORKS["unet3d-instance"], batch_size=1))
    own = {**NETWORKS["unet3d"], "training": {"batch_size": 2}}
    check(config_with(own, batch_size=1))


def test_a_model_that_is_not_trained_may_want_other_settings():
    config = config_with(NETWORKS["unet3d-instance"], batch_size=1)
    config["models"]["other"] = NETWORKS["unet3d"]
    check(config)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 2.0, 3.0]])
def test_class_weights_are_as_many_as_classes(weights):
    with pytest.raises(LiversegError, match=rf"{len(weights)} numbers.*2 are needed"):
        check(config_with(NETWORKS["unet"], loss={"class_weights": weights}))
    check(config_with(NETWORKS["unet"], loss={"class_weights": [1.0, 2.0]}))


def test_tokens_are_shared_out_evenly_to_attention_heads():
    with pytest.raises(LiversegError, match=r"`hidden_size: 25`.*`heads: 6`"):
        check(config_with({**NETWORKS["unetr"], "hidden_size": 25}))


@pytest.mark.parametrize(
    ("augmentation", "words"),
    [
        ({"scale": [1.2, 0.8]}, r"training.augmentation.scale: \[1.2, 0.8\] is no range"),
        (
            {"gamma": {"probability": 0.5, "range": [1.5, 0.7]}},
            r"training.augmentation.gamma.range: \[1.5, 0.7\] is no range",
        ),
        ({"gamma": {"probability": 0.5, "range": [0, 1]}}, "less than the minimum of 0.1"),
        ({"noise": {"probability": 0.5, "range": [0, 30]}}, "greater than the maximum of 1"),
        ({"cut": {"probability": 0.5, "range": [0, 1]}}, "greater than the maximum of 0.9"),
    ],
)
def test_augmentation_that_makes_no_sense_is_refused(augmentation, words):
    with pytest.raises(LiversegError, match=words):
        check(config_with(NETWORKS["unet"], augmentation=augmentation))
    own = {**NETWORKS["unet"], "training": {"augmentation": augmentation}}
    with pytest.raises(LiversegError, match=f"models.mine: .*{words}"):
        check(config_with(own))


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(LiversegError, match="bfloat16"):
        choose_compute({"device": "cpu", "precision": "float16"})


def test_deterministic_training_asks_cublas_for_a_fixed_workspace(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with machine_settings(choose_compute({"device": "cpu", "deterministic": False}), 1):
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with machine_settings(choose_compute({"device": "cpu", "deterministic": True}), 1):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_weights_to_begin_from_are_a_file_or_in_a_folder(tmp_path):
    folder = tmp_path / "results/models/liver"
    (folder / "fold-0").mkdir(parents=True)
    with pytest.raises(LiversegError, match=r"training\.warm_start.*[\s\S]*fold-0"):
        weights_to_begin_from(folder)
    weights = folder / "model.safetensors"
    weights.touch()
    assert weights_to_begin_from(folder) == weights_to_begin_from(weights) == weights
    with pytest.raises(LiversegError, match="nowhere"):
        weights_to_begin_from(tmp_path / "nowhere")
