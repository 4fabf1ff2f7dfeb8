"""Every example, laid over the defaults, is a valid configuration."""

import pytest

from tests.conftest import ROOT
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.settings import check, merged, overlay, read_config

EXAMPLES = sorted((ROOT / "config/examples").iterdir())


def test_there_are_examples():
    assert {"lits.yaml", "msd.yaml", "dicom.yaml"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_over_the_defaults(path):
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
