"""Networks: sizes, shapes, and what a chunk of 16 slices does to them."""

import pytest
import torch

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.networks import BUILDERS, build_network, has_batch_norm
from workflow.liverseg.unet3d import InstanceNorm, UNet3D, parameters_as_the_paper_counts

SMALL = {
    "unet3d": {"width": 2},
    "unet": {"channels": [2, 4, 8]},
    "attention_unet": {"channels": [2, 4, 8]},
    "segresnet": {"width": 8, "blocks_down": [1, 1, 1]},
    "unetr": {"size": [48, 32, 16], "width": 4, "hidden_size": 24, "mlp_dim": 24, "heads": 2},
    "vnet": {},
    "dynunet": {"channels": [2, 4, 8]},
    "swin_unetr": {},
}


@pytest.mark.parametrize(("channels", "classes", "count"), [(3, 3, 19069955), (1, 2, 19068162)])
def test_unet3d_has_the_papers_number_of_parameters(channels, classes, count):
    with torch.device("meta"):
        network = UNet3D(in_channels=channels, out_channels=classes)
    assert parameters_as_the_paper_counts(network) == count


@pytest.mark.parametrize("name", BUILDERS)
def test_every_network_answers_a_chunk_in_its_own_size(name):
    network = build_network({"network": name, **SMALL[name]}, out_channels=3).eval()
    with torch.inference_mode():
        logits = network(torch.rand(1, 1, 48, 27, 16))
    assert logits.shape == (1, 3, 48, 27, 16)


@pytest.mark.parametrize("name", ["unet3d", "dynunet"])
def test_deep_supervision_gives_coarser_levels_in_training_only(name):
    settings = {"network": name, **SMALL[name], "deep_supervision": True}
    network = build_network(settings, out_channels=2)
    x = torch.rand(2, 1, 16, 14, 16)
    levels = network.train()(x)
    assert [tuple(level.shape[2:]) for level in levels[:2]] == [(16, 14, 16), (8, 7, 8)]
    assert isinstance(network.eval()(x), torch.Tensor)


def test_an_unknown_network_is_named():
    with pytest.raises(LiversegError, match="unet4d"):
        build_network({"network": "unet4d"}, out_channels=2)


def test_instance_norm_is_pytorchs_in_both_memory_formats():
    x = torch.randn(2, 3, 4, 5, 6) * 3 + 1
    expected = torch.nn.functional.instance_norm(x)
    norm = InstanceNorm(3)
    torch.testing.assert_close(norm(x), expected)
    last = norm(x.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(last, expected)
    assert last.is_contiguous(memory_format=torch.channels_last_3d)


def test_only_batch_norm_is_batch_norm():
    batch = build_network({"network": "unet3d", "width": 2}, out_channels=2)
    instance = build_network({"network": "unet3d", "width": 2, "norm": "instance"}, out_channels=2)
    assert has_batch_norm(batch)
    assert not has_batch_norm(instance)
