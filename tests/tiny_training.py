"""A training that lasts a moment: 4 patients of 16³ voxels, a bright cube in each as liver."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow.liverseg.files import write_table
from workflow.liverseg.training_run import TrainingFiles
from workflow.liverseg.volume_files import Volume, write_volume

EFFECT = {"probability": 0.5, "range": [0.0, 0.1]}
TRAINING: dict[str, Any] = {
    "seed": 3,
    "threads": 1,
    "device": "cpu",
    "precision": "float32",
    "memory_format": "auto",
    "compile": False,
    "deterministic": True,
    "epochs": 3,
    "steps_per_epoch": 3,
    "batch_size": 2,
    "accumulate": 1,
    "patch": None,
    "foreground_fraction": 0.5,
    "loss": {"name": "dice_cross_entropy"},
    "optimiser": {"name": "adamw", "learning_rate": 0.01, "weight_decay": 0.0, "momentum": 0.9},
    "schedule": {"name": "polynomial", "warmup_steps": 1, "power": 0.9},
    "clip_norm": 12.0,
    "average_decay": 0.5,
    "validate_every": 1,
    "keep": "best",
    "early_stopping": None,
    "checkpoint_minutes": 0.0,
    "rollbacks": 2,
    "warm_start": None,
    "augmentation": {
        "rotation_degrees": [0, 0, 10],
        "scale": [0.9, 1.1],
        "stretch": 0.0,
        "flip": [0, 0, 0],
        "noise": EFFECT,
    },
}
MODEL: dict[str, Any] = {"network": "unet3d", "width": 2, "levels": 2, "norm": "batch"}


def tiny_settings(**training: Any) -> dict[str, Any]:
    """What a rule would hand over, with changes to `training`."""
    return {
        "training": {**TRAINING, **training},
        "labels": [{"name": "liver", "values": "positive"}],
        "volumes": {"spacing_mm": 3.0, "window_hu": [-200, 250], "in_plane": {"mode": "keep"}},
        "chunks": {"slices": 16},
        "model": MODEL,
    }


def tiny_files(root: Path, out: str = "models") -> TrainingFiles:
    """Write the chunks of three patients and the volume of a fourth; outputs go to `out`."""
    for index in range(4):
        image, label = _patient(index)
        name = f"p{index}"
        folder = root / "chunks" / name
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "image.npy", image[None])
        np.save(folder / "label.npy", label[None])
        row = {"chunk": 0, "first_slice": 0, "n_slices": 16, "liver_voxels": label.sum()}
        row |= dict.fromkeys(("x_mm", "y_mm", "z_mm"), 3.0)
        write_table(root / "filtered" / f"{name}.tsv", pd.DataFrame([row]))
        volume = Volume(image, label, np.diag([3.0, 3, 3, 1]))
        write_volume(root / "volumes" / f"{name}.npz", volume)
    return files_in(root, out)


def resume_root(files: TrainingFiles) -> Path:
    """A place for states of its own, so that no training goes on from one that ended elsewhere."""
    return files.weights.parent / ".resume"


def files_in(root: Path, out: str = "models") -> TrainingFiles:
    """The files that `tiny_files` wrote."""
    patients = [f"p{index}" for index in range(3)]
    return TrainingFiles(
        [root / f"chunks/{patient}/image.npy" for patient in patients],
        [root / f"chunks/{patient}/label.npy" for patient in patients],
        [root / f"filtered/{patient}.tsv" for patient in patients],
        [root / "volumes/p3.npz"],
        [],
        root / out / "model.safetensors",
        root / out / "model.json",
        root / out / "history.csv",
        root / out / "events.out.tfevents.liverseg",
    )


def _patient(index: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(index)
    image = random.uniform(0, 0.4, (16, 16, 16))
    label = np.zeros(image.shape, dtype=np.uint8)
    start = random.integers(2, 6, 3)
    label[tuple(slice(at, at + 7) for at in start)] = 1
    return (image + 0.5 * label).astype(np.float16), label
