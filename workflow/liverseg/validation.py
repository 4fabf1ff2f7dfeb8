"""Validation on whole volumes, so that the best model is the one a user would call the best."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import nn

from workflow.liverseg.devices import Compute
from workflow.liverseg.errors import fault
from workflow.liverseg.interruption import StopSignal
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.volume_files import Volume, read_volume
from workflow.liverseg.windows import Blend, plan_windows

OVERLAP = 0.5  # of neighbouring windows; what prediction does by default


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
    stop: StopSignal,
) -> ValidationScore | None:
    """Predict whole volumes and compare them with their labels, on the prepared grid.

    None where `stop` was asked for in between: a scheduler does not wait for all of them.
    """
    network.eval()
    per_patient = {}
    for patient, volume in volumes.items():
        if stop.asked:
            return None
        found = predict_classes(network, volume.image, patch, compute, classes=labels.n_classes)
        per_patient[patient] = region_dice(found, np.asarray(volume.label), labels)
    return ValidationScore(
        regions={
            name: fmean(scores[name] for scores in per_patient.values()) for name in labels.names
        },
        patients={patient: fmean(scores.values()) for patient, scores in per_patient.items()},
    )


def region_dice(found: np.ndarray, truth: np.ndarray, labels: LabelMap) -> dict[str, float]:
    """Dice of each region of two class maps of one shape; 1 where both are empty."""
    scores = {}
    for name in labels.names:
        a, b = np.isin(found, labels.region(name)), np.isin(truth, labels.region(name))
        together = int(a.sum()) + int(b.sum())
        scores[name] = 2 * int((a & b).sum()) / together if together else 1.0
    return scores


def predict_classes(
    network: nn.Module,
    image: np.ndarray,
    patch: tuple[int, int, int],
    compute: Compute,
    *,
    classes: int,
) -> np.ndarray:
    """Classes (x, y, z) of a prepared image, from windows of `patch` that overlap by half."""

    def predictor(windows: np.ndarray) -> np.ndarray:
        batch = compute.place(torch.from_numpy(windows)[:, None])
        with torch.inference_mode(), compute.autocast():
            logits = network(batch)
        return torch.softmax(logits.float(), dim=1)[:, 1:].contiguous().cpu().numpy()

    def prepared(first: int, last: int) -> np.ndarray:
        return image[:, :, first:last].astype(np.float32)

    x, y, z = image.shape
    plan = plan_windows((x, y, z), patch, OVERLAP)
    # The window of HU is not known here: only what is clipped to its lower end is no tissue.
    blend = Blend(prepared, (x, y, z), plan, [predictor], n_classes=classes - 1, tissue=0.0)
    found = np.zeros((x, y, z), dtype=np.uint8)
    for first in range(0, z, patch[2]):
        last = min(first + patch[2], z)
        foreground = blend.slices(first, last)[0]
        inside = foreground.sum(axis=0) > 0.5
        found[:, :, first:last] = np.where(inside, foreground.argmax(axis=0) + 1, 0)
    return found
