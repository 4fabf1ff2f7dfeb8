"""A model as two files: weights (safetensors) and a card (JSON); loading executes nothing."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from workflow.liverseg.errors import fault
from workflow.liverseg.files import read_json, whole, write_json
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.networks import build_network

FORMAT = "liverseg-model-1"


@dataclass(frozen=True)
class ModelCard:
    """What one must know to use a model, and where it comes from.

    architecture: the network's name and settings. labels: the config's `labels`. preprocessing:
    its `volumes`. patch: the (x, y, z) voxels that the network was trained on. data: patient →
    {digest, split}. metrics: what validation measured.
    """

    name: str
    architecture: dict[str, Any]
    labels: list[dict[str, Any]]
    preprocessing: dict[str, Any]
    chunk_slices: int
    patch: list[int]
    training: dict[str, Any]
    data: dict[str, dict[str, str]]
    metrics: dict[str, Any]
    versions: dict[str, str]
    device: str
    threads: int
    format: str = FORMAT
    notes: list[str] = field(default_factory=list)

    @property
    def label_map(self) -> LabelMap:
        """The regions that the classes stand for."""
        return LabelMap.from_settings(self.labels)


def save_model(
    weights: Path, card_path: Path, tensors: dict[str, torch.Tensor], card: ModelCard
) -> None:
    """Write weights and card, each whole; equal tensors give equal bytes."""
    write_tensors(weights, tensors)
    write_json(card_path, asdict(card))


def write_tensors(
    path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors as safetensors, whole, contiguous, on the CPU."""
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    with whole(path) as temporary:
        save_file(plain, temporary, metadata=metadata)


def read_card(path: Path) -> ModelCard:
    """Read a card; LiversegError if it is none, or of a format that this version cannot read."""
    try:
        content = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise fault(
            file=path, found=f"no JSON: {error}", remedy="fetch or train the model again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise fault(
            file=path,
            expected=f"format {FORMAT}",
            found=f"{found!r}",
            remedy="use a liverseg that reads this format, or train the model again",
        )
    try:
        return ModelCard(**content)
    except TypeError as error:
        raise fault(file=path, found=str(error), remedy="train the model again") from error


def load_model(weights: Path, card_path: Path) -> tuple[nn.Module, ModelCard]:
    """Build the network that the card names and fill it; in evaluation mode, on the CPU.

    LiversegError if the files do not belong together or are damaged.
    """
    card = read_card(card_path)
    network = build_network(card.architecture, out_channels=card.label_map.n_classes)
    try:
        network.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise fault(
            file=weights,
            expected="the weights that model.json describes",
            found=str(error).splitlines()[0],
            remedy="fetch or train the model again",
        ) from error
    return network.eval(), card


def warm_start(network: nn.Module, weights: Path, *, n_classes: int) -> list[str]:
    """Take over the weights of the same network; returns the names of those that begin anew.

    Anew begins what hangs on the number of classes, `n_classes` here, and heads of deep
    supervision that the other did without. LiversegError if anything else does not fit, or the
    file cannot be read.
    """
    try:
        there = load_file(weights)
    except (SafetensorError, OSError) as error:
        raise fault(
            file=weights,
            expected="the weights that `training.warm_start` means",
            found=str(error).splitlines()[0],
            remedy="fetch or train that model again",
        ) from error
    own = network.state_dict()
    fitting = {
        name: tensor
        for name, tensor in there.items()
        if name in own and own[name].shape == tensor.shape
    }
    anew = sorted(set(own) - set(fitting))
    changes = {
        (old, new)
        for name in set(anew) & set(there)
        for old, new in zip(there[name].shape, own[name].shape, strict=False)
        if old != new
    }
    other_classes = len(changes) == 1 and {new for _, new in changes} == {n_classes}
    headless = all(n_classes in own[name].shape[:1] for name in set(anew) - set(there))
    same_norms = _statistics(there) == _statistics(own)
    if not fitting or not headless or not same_norms or (changes and not other_classes):
        raise fault(
            file=weights,
            expected="weights that fit in name and shape, but for the classes",
            found=f"{len(anew)} of {len(own)} that do not"
            + ("" if same_norms else ", and another norm"),
            remedy="set `training.warm_start` to a model of the same network, width and norm, "
            "or to null",
        )
    network.load_state_dict({**own, **fitting})
    return anew


def _statistics(tensors: dict[str, torch.Tensor]) -> set[str]:
    """Names of the running means, which batch norms have and instance norms have not."""
    return {name for name in tensors if name.endswith("running_mean")}
