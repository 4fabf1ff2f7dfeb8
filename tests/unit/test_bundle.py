"""A MONAI bundle says what our model says, and MONAI's own tools read and run it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, verify_net_in_out
from monai.bundle.utils import DEFAULT_METADATA

from tests.unit.test_networks import SMALL
from workflow.liverseg.bundle import BundleFiles, preprocessing, write_bundle
from workflow.liverseg.bundle_inference import GrowingWindows
from workflow.liverseg.files import read_json
from workflow.liverseg.model_files import ModelCard, load_model, save_model
from workflow.liverseg.networks import build_network
from workflow.liverseg.prediction import window_size

PREDICTION = {"enlarge": 1.7, "overlap": 0.5}
NETWORKS = [
    *({"network": name, **settings} for name, settings in SMALL.items()),
    {"network": "unet3d", "width": 2, "norm": "instance"},
    {"network": "unet", "channels": [2, 4, 8], "norm": "batch"},
    {"network": "dynunet", "channels": [2, 4, 8], "deep_supervision": True},
]


def files_in(bundle: Path) -> BundleFiles:
    return BundleFiles(
        metadata=bundle / "configs/metadata.json",
        inference=bundle / "configs/inference.json",
        state=bundle / "models/model.pt",
        readme=bundle / "docs/README.md",
        licence=bundle / "LICENSE",
        package=bundle / "scripts/__init__.py",
        padding=bundle / "scripts/padding.py",
        unet3d=bundle / "scripts/unet3d.py",
        predicting=bundle / "scripts/inference.py",
    )


def make(root: Path, architecture: dict) -> tuple[Path, torch.nn.Module]:
    """A model of drawn weights, as a bundle under `root`, and as our network."""
    torch.manual_seed(5)
    network = build_network(architecture, out_channels=3)
    tensors = {name: value.clone() for name, value in network.state_dict().items()}
    card = ModelCard(
        name="tiny",
        architecture=architecture,
        labels=[{"name": "liver", "values": [1, 2]}, {"name": "tumour", "values": [2]}],
        preprocessing={"spacing_mm": 2.0, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}},
        chunk_slices=16,
        patch=[48, 27, 16],
        training={},
        data={"p1": {"digest": "0", "split": "train"}},
        metrics={"validation_dice": 0.5},
        versions={"monai": "1.6.1", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
        device="cpu",
        threads=1,
    )
    paths = root / "model.safetensors", root / "model.json"
    save_model(*paths, tensors, card)
    write_bundle(*paths, files_in(root / "bundle"), PREDICTION)
    return root / "bundle", load_model(*paths)[0]


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """Let `scripts` mean the bundle's, as it does in its folder."""
    monkeypatch.syspath_prepend(str(tmp_path / "bundle"))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]


@pytest.mark.parametrize("architecture", NETWORKS, ids=lambda one: "-".join(map(str, one.values())))
def test_the_parsed_network_gives_our_logits(tmp_path, scripts, architecture):
    bundle, ours = make(tmp_path, architecture)
    parser = ConfigParser()
    parser.read_config(bundle / "configs/inference.json")
    network = parser.get_parsed_content("network_def").eval()
    network.load_state_dict(torch.load(bundle / "models/model.pt", weights_only=True))
    x = torch.rand(1, 1, 48, 27, 16)
    with torch.inference_mode():
        torch.testing.assert_close(network(x), ours(x))


@pytest.mark.parametrize("shape", [(48, 27, 16), (200, 40, 20), (60, 100, 5)])
@pytest.mark.parametrize("fixed", [None, (48, 27, 16)])
def test_its_windows_are_those_of_the_workflow(shape, fixed):
    may_grow = fixed is None
    ours = SimpleNamespace(patch=(48, 27, 16), may_grow=may_grow, may_shrink=False)
    theirs = GrowingWindows([48, 27, 16], enlarge=1.7 if may_grow else 1, overlap=0.5)
    assert tuple(theirs.size(shape)) == window_size(ours, shape, 1.7)


def test_the_metadata_are_what_monai_asks_for(tmp_path, scripts):
    bundle, _ = make(tmp_path, NETWORKS[0])
    metadata = read_json(bundle / "configs/metadata.json")
    assert set(DEFAULT_METADATA) <= set(metadata)
    asked = "type format num_channels spatial_shape dtype value_range is_patch_data channel_def"
    for tensor in ("inputs", "outputs"):
        for described in metadata["network_data_format"][tensor].values():
            assert set(asked.split()) <= set(described)
            assert len(described["channel_def"]) == described["num_channels"]
    verify_net_in_out(
        "network_def",
        meta_file=str(bundle / "configs/metadata.json"),
        config_file=str(bundle / "configs/inference.json"),
        device="cpu",
    )


def test_a_body_wider_than_the_crop_is_padded_and_never_cut():
    settings = {
        "spacing_mm": None,
        "window_hu": [-200, 250],
        "in_plane": {"mode": "crop_pad", "size": [8, 8]},
    }
    parser = ConfigParser({"last": preprocessing(settings)[-1]})
    padded = parser.get_parsed_content("last")({"image": torch.zeros(1, 12, 5, 3)})["image"]
    assert padded.shape == (1, 12, 8, 3)


def test_equal_models_give_equal_bytes(tmp_path):
    for name in "ab":
        make(tmp_path / name, NETWORKS[0])
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_monai_runs_it_on_a_ct(tmp_path):
    bundle, ours = make(tmp_path, {"network": "unet3d", "width": 2, "norm": "instance"})
    hu = np.random.default_rng(1).uniform(-300, 300, (48, 27, 16)).astype(np.float32)
    (tmp_path / "ct").mkdir()
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([2.0, 2, 2, 1])), tmp_path / "ct/one.nii.gz")
    # What `python -m monai.bundle run` calls; its command line needs fire beside MONAI.
    given = {"dataset_dir": str(tmp_path / "ct"), "output_dir": str(tmp_path / "masks")}
    given |= {"config_file": "configs/inference.json", "device": "$torch.device('cpu')"}
    command = [sys.executable, "-c", f"import monai.bundle; monai.bundle.run(**{given!r})"]
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    mask = np.asarray(nibabel.load(tmp_path / "masks/one_seg.nii.gz").dataobj)
    x = torch.from_numpy(((hu + 200) / 450).clip(0, 1))[None, None]
    with torch.inference_mode():
        expected = ours(x)[0].argmax(dim=0).numpy()
    assert len(np.unique(expected)) > 1
    assert np.mean(mask == expected) > 0.999
