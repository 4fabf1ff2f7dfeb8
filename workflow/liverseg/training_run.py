"""One training from files to files: reads, trains, writes, and says what it stands on."""

import importlib.metadata
import platform
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import torch
from torch import nn

from workflow.liverseg.checkpoints import ResumeFolder, resume_key
from workflow.liverseg.devices import Compute, choose_compute, machine_settings, memory_told
from workflow.liverseg.distributed import ALONE, ProcessGroup
from workflow.liverseg.errors import fault
from workflow.liverseg.files import sha256, write_table
from workflow.liverseg.interruption import StopSignal
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.losses import build_loss, frequency_weights
from workflow.liverseg.model_files import ModelCard, save_model, warm_start
from workflow.liverseg.networks import build_network, has_batch_norm
from workflow.liverseg.released import other_preprocessing
from workflow.liverseg.settings import canonical, merged
from workflow.liverseg.training import Trained, train
from workflow.liverseg.training_data import TrainingSet, read_chunks
from workflow.liverseg.training_events import EventFile, write_events
from workflow.liverseg.training_probe import StepCost, try_step
from workflow.liverseg.training_progress import Reporter, duration
from workflow.liverseg.validation import read_validation

STRANGE = "the model begun from learned from CTs prepared in another way"
RECORDED = ("torch", "monai", "numpy", "safetensors")


@dataclass(frozen=True)
class TrainingFiles:
    """What a training reads and writes; the first three lists run in parallel, by patient.

    warm_start: the weights to begin from, or nothing.
    """

    train_images: list[Path]
    train_labels: list[Path]
    train_kept: list[Path]
    validation_volumes: list[Path]
    warm_start: list[Path]
    weights: Path
    card: Path
    history: Path
    events: Path

    @property
    def inputs(self) -> list[Path]:
        """Everything that is read."""
        patients = self.train_images + self.train_labels + self.train_kept
        return patients + self.validation_volumes + self.warm_start


def run_training(
    files: TrainingFiles,
    *,
    name: str,
    settings: dict[str, Any],
    resume_root: Path,
    code: tuple[str, ...] = (),
    terminal: TextIO | None = None,
    group: ProcessGroup = ALONE,
) -> Trained:
    """Train the model `name` and write its weights, card, history and events.

    `settings` holds the config's `training`, `labels`, `volumes`, `chunks`, and `model`, the
    entry of the catalogue, whose own `training` is laid over the general one. A training that was
    interrupted goes on from its state under `resume_root`, if `code` (digests) is the same too.
    Every process of `group` calls it with the same arguments; the first writes.
    """
    training = merged(settings["training"], settings["model"].get("training", {}))
    labels = LabelMap.from_settings(settings["labels"])
    events = EventFile(files.events) if group.leads else None
    report = Reporter(name, terminal, events=events, quiet=not group.leads)
    compute = choose_compute(training)
    with machine_settings(compute, training["threads"]), StopSignal().listening() as stop:
        network = _first_network(files, settings, training, compute, report, group)
        data = TrainingSet(
            read_chunks(files.train_images, files.train_labels, files.train_kept),
            settings=training,
            device=compute.device,
            group=group,
        )
        validation = read_validation(files.validation_volumes)
        weights = _class_weights(training, data, labels, compute)
        loss = build_loss(training["loss"], weights, group)
        facts = {
            "settings": canonical({**settings, "training": training}, *settings),
            "code": sorted(code),
            "compute": [compute.device.type, str(compute.precision), compute.channels_last],
            "torch": torch.__version__,
            "processes": group.size,
        }
        resume = ResumeFolder(resume_root / resume_key(facts, files.inputs, name))
        held = resume.held() if group.leads else nullcontext()
        with held, report.closing(), memory_told(compute.device, training):
            cost = try_step(
                network, data, loss=loss, accumulate=training["accumulate"], compute=compute
            )
            report.say(_summary(compute, data, training, cost, group))
            trained = train(
                network,
                data,
                validation,
                loss=loss,
                labels=labels,
                settings=training,
                compute=compute,
                resume=resume,
                report=report,
                stop=stop,
                group=group,
            )
            if group.leads:
                card = _card(name, settings, training, files, trained, data)
                write_table(files.history, pd.DataFrame(trained.history))
                write_events(files.events, trained.history)
                save_model(files.weights, files.card, trained.weights, card)
                resume.end()
    return trained


def _architecture(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings["model"].items() if key != "training"}


def _first_network(
    files: TrainingFiles,
    settings: dict[str, Any],
    training: dict[str, Any],
    compute: Compute,
    report: Reporter,
    group: ProcessGroup,
) -> nn.Module:
    """The network as training begins: drawn by the seed, or with weights taken over."""
    torch.manual_seed(training["seed"])
    n_classes = LabelMap.from_settings(settings["labels"]).n_classes
    network = build_network(_architecture(settings), out_channels=n_classes)
    check_batch(has_batch_norm(network), training)
    network = together(network, group, compute)
    for start in files.warm_start:
        anew = warm_start(network, start, n_classes=n_classes)
        report.say(f"weights taken over; new are {', '.join(anew) or 'none'}")
        if differs := other_preprocessing(start, settings["volumes"]):
            report.say(f"warning: {STRANGE}: {differs}; set `volumes` as they were to gain from it")
    return network


def _summary(
    compute: Compute,
    data: TrainingSet,
    training: dict[str, Any],
    cost: StepCost,
    group: ProcessGroup,
) -> str:
    """One line, before the first step: where, in what, on what, and what it will cost."""
    many = f", {group.size} processes" if group.size > 1 else ""
    steps = data.steps * training["epochs"]
    time = f"{steps} steps of {cost.seconds:.2f} s: about {duration(steps * cost.seconds)} in all"
    return (
        f"{compute.describe()}; {training['threads']} threads{many}; {data.describe()}, "
        f"patches of {'×'.join(map(str, data.patch))}; {cost.peak_bytes / 1e9:.1f} GB in use so "
        f"far; {time}, validation aside"
    )


def check_batch(batch_norm: bool, training: dict[str, Any]) -> None:
    """LiversegError where batch norm would take its statistics from a single sample."""
    if batch_norm and training["batch_size"] == 1:
        raise fault(
            found="batch norm with `training.batch_size: 1`",
            expected="several samples for its statistics: from one they say nothing of the next",
            remedy="raise the batch size, or set `norm: instance` in the model",
        )


def together(network: nn.Module, group: ProcessGroup, compute: Compute) -> nn.Module:
    """The network as it trains in a group: batch norm takes its statistics over the whole batch.

    LiversegError where torch cannot do that: on anything but CUDA.
    """
    if group.size == 1 or not has_batch_norm(network):
        return network
    if compute.device.type != "cuda":
        raise fault(
            found=f"batch norm, in {group.size} processes on {compute.device.type}",
            expected="statistics over the whole batch, which torch exchanges on CUDA alone",
            remedy="set `norm: instance` in the model, or train in one process",
        )
    return nn.SyncBatchNorm.convert_sync_batchnorm(network)


def _class_weights(
    training: dict[str, Any], data: TrainingSet, labels: LabelMap, compute: Compute
) -> torch.Tensor | None:
    wanted = training["loss"].get("class_weights")
    if wanted is None:
        return None
    if wanted == "frequency":
        wanted = frequency_weights(data.class_voxels(labels.n_classes))
    if len(wanted) != labels.n_classes:
        raise fault(
            found=f"{len(wanted)} class weights",
            expected=f"{labels.n_classes}: the background's, then one for each of `labels`",
            remedy="correct `training.loss.class_weights`",
        )
    return torch.tensor(wanted, dtype=torch.float32, device=compute.device)


def _card(
    name: str,
    settings: dict[str, Any],
    training: dict[str, Any],
    files: TrainingFiles,
    trained: Trained,
    data: TrainingSet,
) -> ModelCard:
    digests = {
        path.parent.name: {"digest": sha256(path), "split": "train"} for path in files.train_images
    } | {
        path.stem: {"digest": sha256(path), "split": "validation"}
        for path in files.validation_volumes
    }
    metrics = {
        "best_epoch": trained.best_epoch,
        "validation_dice": trained.best_score,
        "rollbacks": trained.rollbacks,
    }
    versions = {package: importlib.metadata.version(package) for package in RECORDED}
    return ModelCard(
        name=name,
        architecture=_architecture(settings),
        labels=settings["labels"],
        preprocessing=settings["volumes"],
        chunk_slices=settings["chunks"]["slices"],
        patch=list(data.patch),
        training=training,
        data=digests,
        metrics=metrics,
        versions={"python": platform.python_version(), **versions},
        device=list(trained.machines.values())[-1],
        threads=training["threads"],
        notes=_notes(files, settings, trained),
    )


def _notes(files: TrainingFiles, settings: dict[str, Any], trained: Trained) -> list[str]:
    """What else stands behind the weights."""
    notes = [f"began from weights of SHA-256 {sha256(path)}" for path in files.warm_start]
    differences = (other_preprocessing(path, settings["volumes"]) for path in files.warm_start)
    notes += [f"{STRANGE}: {differs}" for differs in differences if differs]
    if len(trained.machines) > 1:
        machines = "; ".join(f"{name} ({how})" for name, how in trained.machines.items())
        notes.append(f"trained on several kinds of machine, repeats on none alone: {machines}")
    return notes
