"""Every example of this stage, laid over the defaults, is a valid configuration."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.settings import check, merged, overlay, read_config


@pytest.mark.parametrize("name", ["laptop", "lits", "tumour", "five-architectures"])
def test_an_example_is_valid_over_the_defaults(name):
    path = Path(ROOT) / "config" / "examples" / f"{name}.yaml"
    defaults = read_config(ROOT / "config" / "config.yaml")
    config = check(overlay(merged(defaults, read_config(path)), [path]))
    assert set(config["train"]) <= set(config["models"])


def test_a_models_own_training_is_checked_like_training():
    config = read_config(ROOT / "config" / "config.yaml")
    config["models"]["unet3d-narrow"]["training"] = {"epoch": 3}
    with pytest.raises(LiversegError, match="did you mean `epochs`"):
        check(config)


def test_a_model_setting_of_another_network_is_refused():
    config = read_config(ROOT / "config" / "config.yaml")
    config["models"] = {"unet3d-narrow": {"network": "vnet", "width": 4}}
    with pytest.raises(Exception, match="width"):
        check(config)
