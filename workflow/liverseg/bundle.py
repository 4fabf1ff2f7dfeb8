"""A trained model as a MONAI bundle: what `python -m monai.bundle run` and MONAI's tools read."""

import importlib.metadata
import inspect
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from workflow.liverseg import bundle_inference, padding, unet3d
from workflow.liverseg.files import whole, write_json, write_text
from workflow.liverseg.model_files import ModelCard, read_card
from workflow.liverseg.networks import plan_network

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
VERSION = "1.0.0"
LICENCE = Path(__file__).resolve().parents[2] / "LICENSE"
STACKED = "network.network."  # one wrapper more than MONAI's own network has


@dataclass(frozen=True)
class BundleFiles:
    """The files of a bundle, below one folder."""

    metadata: Path
    inference: Path
    state: Path
    readme: Path
    licence: Path
    package: Path
    padding: Path
    unet3d: Path
    predicting: Path


def write_bundle(
    weights: Path, card_path: Path, files: BundleFiles, prediction: dict[str, Any]
) -> None:
    """Write a trained model as a bundle, each file whole; equal models give equal bytes.

    prediction: the config's `overlap` and `enlarge`, so that windows are those of the workflow.
    """
    card = read_card(card_path)
    write_json(files.metadata, metadata(card))
    write_json(files.inference, inference(card, prediction))
    state = io.BytesIO()  # torch would write the name of a file into its archive
    torch.save(bundle_state(load_file(weights)), state)
    with whole(files.state) as temporary:
        temporary.write_bytes(state.getvalue())
    write_text(files.readme, readme(card))
    write_text(files.package, "")
    sources = [str(LICENCE), *map(inspect.getfile, (padding, unet3d, bundle_inference))]
    targets = (files.licence, files.padding, files.unet3d, files.predicting)
    for source, target in zip(sources, targets, strict=True):
        with whole(target) as temporary:
            shutil.copyfile(source, temporary)


def bundle_state(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights under the names that the bundle's network has."""
    # Only a deeply supervised DynUNet is wrapped; MONAI's own answers alike in evaluation.
    if not all(name.startswith(STACKED) for name in tensors):
        return tensors
    return {f"network.{name.removeprefix(STACKED)}": value for name, value in tensors.items()}


def class_names(card: ModelCard) -> dict[str, str]:
    """From the number of each class, as JSON has it, to its name."""
    names = ("background", *card.label_map.names)
    return {str(index): name for index, name in enumerate(names)}


def metadata(card: ModelCard) -> dict[str, Any]:
    """metadata.json: what the specification of MONAI bundles asks for."""
    names = class_names(card)
    regions = ", ".join(card.label_map.names)
    low, high = card.preprocessing["window_hu"]
    tensor = {
        "type": "image",
        "modality": "CT",
        "spatial_shape": card.patch,
        "dtype": "float32",
        "is_patch_data": True,
    }
    image = {**tensor, "format": "hounsfield", "num_channels": 1, "value_range": [0, 1]}
    logits = {**tensor, "format": "segmentation", "num_channels": len(names), "value_range": []}
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "changelog": {VERSION: "trained"},
        "monai_version": card.versions["monai"],
        "pytorch_version": card.versions["torch"].split("+")[0],
        "numpy_version": card.versions["numpy"],
        "required_packages_version": {"nibabel": importlib.metadata.version("nibabel")},
        "name": card.name,
        "task": f"Segmentation of {regions} in abdominal CT",
        "description": f"{card.architecture['network']}, trained by liverseg on "
        f"{sum(one['split'] == 'train' for one in card.data.values())} patients",
        "authors": "whoever trained it, with liverseg",
        "copyright": "of the weights: whoever trained them; of the code: see LICENSE",
        "intended_use": "Research only: not a medical device",
        "image_classes": f"one channel, HU {low}…{high} scaled to 0…1",
        "eval_metrics": {"validation_dice": card.metrics["validation_dice"]},
        "network_data_format": {
            "inputs": {"image": {**image, "channel_def": {"0": "image"}}},
            "outputs": {"pred": {**logits, "channel_def": names}},
        },
    }


def inference(card: ModelCard, prediction: dict[str, Any]) -> dict[str, Any]:
    """inference.json: from CTs to label maps, run from within the bundle's folder."""
    plan = plan_network(card.architecture, out_channels=card.label_map.n_classes)
    own = plan.name == "UNet3D"
    return {
        "imports": ["$import glob", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "/data/ct",
        "output_dir": "$@bundle_root + '/eval'",
        "datalist": "$sorted(glob.glob(@dataset_dir + '/*.nii*'))",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": "scripts.padding.Padded",
            "network": {
                "_target_": "scripts.unet3d.UNet3D" if own else f"monai.networks.nets.{plan.name}",
                **plan.arguments,
            },
            "multiple": plan.multiple,
            "fixed": plan.fixed,
        },
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing(card.preprocessing)},
        "dataset": {
            "_target_": "Dataset",
            "data": "$[{'image': path} for path in @datalist]",
            "transform": "@preprocessing",
        },
        "inferer": {
            "_target_": "scripts.inference.GrowingWindows",
            "patch": card.patch,
            "enlarge": 1 if plan.fixed else prediction["enlarge"],
            "overlap": prediction["overlap"],
        },
        "postprocessing": {"_target_": "Compose", "transforms": postprocessing()},
        "predict": {
            "_target_": "scripts.inference.predict",
            "_mode_": "callable",
            "dataset": "@dataset",
            "network": "@network_def",
            "weights": "$@bundle_root + '/models/model.pt'",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "device": "@device",
        },
        "run": ["$@predict()"],
    }


def preprocessing(volumes: dict[str, Any]) -> list[dict[str, Any]]:
    """The card's `volumes` in MONAI's transforms.

    Voxels are interpolated as MONAI does it, so that values differ a little from liverseg's.
    """
    low, high = volumes["window_hu"]
    steps = [
        _step("LoadImaged", image_only=True, ensure_channel_first=True),
        _step("Orientationd", axcodes="RAS", labels=None),
    ]
    spacing = volumes["spacing_mm"]
    if spacing is not None:
        sides = spacing if isinstance(spacing, list) else [spacing] * 3
        # −1 leaves an axis as it is.
        steps.append(_step("Spacingd", pixdim=[side or -1.0 for side in sides], mode="bilinear"))
    window = {"a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0, "clip": True}
    steps.append(_step("ScaleIntensityRanged", **window))
    in_plane = volumes.get("in_plane", {"mode": "keep"})
    if in_plane["mode"] == "crop_pad":
        # Padded alone: only training needs slices of one size, and a mask ends where they end.
        steps.append(_step("SpatialPadd", spatial_size=[*in_plane["size"], -1]))
    if in_plane["mode"] == "resize":
        steps.append(_step("Resized", spatial_size=[*in_plane["size"], -1], mode="trilinear"))
    return steps


def postprocessing() -> list[dict[str, Any]]:
    """From logits to a label map on the CT's own grid, written as NIfTI."""
    return [
        _step("Activationsd", keys="pred", softmax=True),
        _step(
            "Invertd",
            keys="pred",
            transform="@preprocessing",
            orig_keys="image",
            nearest_interp=False,
        ),
        _step("AsDiscreted", keys="pred", argmax=True),
        _step(
            "SaveImaged",
            keys="pred",
            output_dir="@output_dir",
            output_postfix="seg",
            output_dtype="uint8",
            separate_folder=False,
        ),
    ]


def _step(name: str, /, keys: str = "image", **arguments: Any) -> dict[str, Any]:
    return {"_target_": name, "keys": keys, **arguments}


def readme(card: ModelCard) -> str:
    """docs/README.md: what the bundle is and how it is run."""
    regions = ", ".join(card.label_map.names)
    x, y, z = card.patch
    return f"""# {card.name}

Segmentation of {regions} in abdominal CT; {card.architecture["network"]}, trained by liverseg.
Research only: not a medical device.

From within the bundle's folder, with MONAI {card.versions["monai"]}, nibabel and fire:

    python -m monai.bundle run --config_file configs/inference.json \\
      --dataset_dir /data/ct --output_dir /data/masks

reads every NIfTI file of the folder, predicts windows of {x}×{y}×{z} voxels, or larger ones as
`inferer` in `configs/inference.json` says, and writes a label map on each CT's own grid.
`models/model.pt` holds weights alone and is read with `weights_only`. The network gives the logits
that it gives in liverseg; MONAI's resampling, and the absence of liverseg's cleaning-up, make the
masks differ a little from liverseg's own.

`LICENSE` is that of the code; the weights' is for whoever trained them to say.
"""
