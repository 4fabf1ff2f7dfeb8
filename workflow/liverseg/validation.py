"""Validation on whole volumes, so that the best model is the one a user would call the best."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import nn

from workflow.liverseg.devices import Compute
from workflow.liverseg.errors import fault
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.volumes import Volume, read_volume


@dataclass(frozen=True)
class ValidationScore:
    """Dice of each region, mean over patients, and of each patient, mean over regions."""

    regions: dict[str, float]
    patients: dict[str, float]

    @property
    def dice(self) -> float:
        """The number by which the best epoch is chosen: mean over the regions."""
        return fmean(self.regions.values())


def read_validation(paths: list[Path]) -> dict[str, Volume]:
    """The prepared volumes by patient; LiversegError for one without label."""
    volumes = {path.stem: read_volume(path) for path in paths}
    for patient, volume in volumes.items():
        if volume.label is None:
            raise fault(
                patient=patient,
                found="a validation patient without label",
                remedy="give its label, or take it out of the validation split",
            )
    return volumes


def validate(
    network: nn.Module,
    volumes: dict[str, Volume],
    *,
    patch: tuple[int, int, int],
    labels: LabelMap,
    compute: Compute,
) -> ValidationScore:
    """Predict whole volumes and compare them with their labels, on the prepared grid."""
    network.eval()
    per_patient = {
        patient: region_dice(
            predict_classes(network, volume.image, patch, compute), volume.label, labels
        )
        for patient, volume in volumes.items()
    }
    return ValidationScore(
        regions={
            name: fmean(scores[name] for scores in per_patient.values()) for name in labels.names
        },
        patients={patient: fmean(scores.values()) for patient, scores in per_patient.items()},
    )


def region_dice(found: np.ndarray, truth: np.ndarray | None, labels: LabelMap) -> dict[str, float]:
    """Dice of each region of two class maps of one shape; 1 where both are empty."""
    scores = {}
    for name in labels.names:
        a, b = np.isin(found, labels.region(name)), np.isin(truth, labels.region(name))
        together = int(a.sum()) + int(b.sum())
        scores[name] = 2 * int((a & b).sum()) / together if together else 1.0
    return scores


def predict_classes(
    network: nn.Module, image: np.ndarray, patch: tuple[int, int, int], compute: Compute
) -> np.ndarray:
    """Classes (x, y, z) of a prepared image, from windows of `patch` that overlap by half."""
    shape = np.maximum(image.shape, patch)
    padded = np.zeros(shape, dtype=np.float32)
    padded[: image.shape[0], : image.shape[1], : image.shape[2]] = image
    weight = torch.from_numpy(_bump(patch))
    total: torch.Tensor | None = None
    norm = torch.zeros(tuple(shape))
    for start in _starts(tuple(shape), patch):
        window = tuple(slice(at, at + size) for at, size in zip(start, patch, strict=True))
        batch = compute.place(torch.from_numpy(padded[window])[None, None])
        with torch.inference_mode(), compute.autocast():
            probability = torch.softmax(network(batch).float(), dim=1)[0].cpu()
        if total is None:
            total = torch.zeros((len(probability), *shape))
        total[(slice(None), *window)] += probability * weight
        norm[window] += weight
    assert total is not None
    classes = total.argmax(0).to(torch.uint8).numpy()
    return classes[: image.shape[0], : image.shape[1], : image.shape[2]]


def _bump(patch: tuple[int, int, int]) -> np.ndarray:
    sides = [np.hanning(size + 2)[1:-1] + 1e-3 for size in patch]
    return np.einsum("i,j,k->ijk", *sides).astype(np.float32)


def _starts(shape: tuple[int, ...], patch: tuple[int, int, int]) -> list[tuple[int, ...]]:
    axes = []
    for side, size in zip(shape, patch, strict=True):
        count = 1 + int(np.ceil((side - size) / (size / 2))) if side > size else 1
        axes.append(np.round(np.linspace(0, side - size, count)).astype(int).tolist())
    return [(x, y, z) for x in axes[0] for y in axes[1] for z in axes[2]]
