"""The engine: it learns, repeats to the bit, survives kills, signals and broken numbers."""

import os
import signal
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.conftest import ROOT
from tests.tiny_training import MODEL, tiny_files, tiny_settings
from workflow.liverseg import training as loop
from workflow.liverseg.checkpoints import ResumeFolder, resume_key
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_json, sha256
from workflow.liverseg.interruption import TrainingStopped
from workflow.liverseg.model_files import load_model
from workflow.liverseg.training_run import run_training


def run(root: Path, out: str = "models", **training):
    model = training.pop("model", MODEL)
    settings = {**tiny_settings(**training), "model": model}
    files = tiny_files(root, out)
    trained = run_training(files, name="tiny", settings=settings, resume_root=root / ".resume")
    return files, trained


def test_it_learns_and_its_files_say_what_they_are(tmp_path):
    files, trained = run(tmp_path, epochs=20, precision="float32")
    history = pd.read_csv(files.history)
    assert history["train_loss"].iloc[-1] < 0.5 * history["train_loss"].iloc[0]
    assert trained.best_score == history["validation_dice"].max() > 0.8
    card = read_json(files.card)
    assert card["data"]["p0"]["split"] == "train"
    assert card["data"]["p3"]["split"] == "validation"
    assert card["patch"] == [16, 16, 16]
    network, _ = load_model(files.weights, files.card)
    assert network(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 2, 16, 16, 16)
    assert not list((tmp_path / ".resume").iterdir())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_runs_end_in_the_same_bits(tmp_path, precision):
    digests = {sha256(run(tmp_path, out, precision=precision)[0].weights) for out in "ab"}
    assert len(digests) == 1
    assert sha256(run(tmp_path, "c", precision=precision, seed=4)[0].weights) not in digests


def test_25_kills_change_no_bit(tmp_path):
    files, _ = run(tmp_path)
    command = [sys.executable, "-m", "tests.killing", str(tmp_path), "25"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "25 kills" in done.stdout
    for name in ("model.safetensors", "history.csv", "model.json"):
        assert sha256(tmp_path / "killed" / name) == sha256(files.weights.with_name(name))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_ends_and_is_resumed_to_the_same_bits(tmp_path, number, monkeypatch):
    whole, _ = run(tmp_path, "whole", checkpoint_minutes=60)
    real, calls = loop.deeply_supervised, []

    def signalling(*arguments):
        calls.append(1)
        if len(calls) == 5:  # in the middle of the second epoch
            os.kill(os.getpid(), number)
        return real(*arguments)

    monkeypatch.setattr(loop, "deeply_supervised", signalling)
    with pytest.raises(TrainingStopped, match=signal.Signals(number).name):
        run(tmp_path, "stopped", checkpoint_minutes=60)
    resumed, _ = run(tmp_path, "stopped", checkpoint_minutes=60)
    assert len(calls) == 9  # not one step was made twice
    assert sha256(resumed.weights) == sha256(whole.weights)


def broken_at(monkeypatch, chosen: set[int]) -> None:
    real, calls = loop.deeply_supervised, []

    def broken(*arguments):
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) in chosen else 1.0)

    monkeypatch.setattr(loop, "deeply_supervised", broken)


def test_a_nan_is_answered_by_going_back_with_a_smaller_step(tmp_path, monkeypatch):
    broken_at(monkeypatch, {5})
    files, trained = run(tmp_path)
    assert trained.rollbacks == 1
    history = pd.read_csv(files.history)
    assert list(history["epoch"]) == [1, 2, 3]
    assert np.isfinite(history["train_loss"]).all()
    assert all(torch.isfinite(tensor).all() for tensor in trained.weights.values())


def test_a_nan_that_stays_ends_with_the_remedy_and_leaves_best_alone(tmp_path, monkeypatch):
    constant = {"schedule": {"name": "constant", "warmup_steps": 0, "power": 1}}
    _, first = run(tmp_path, "first", epochs=1, **constant)
    broken_at(monkeypatch, set(range(5, 100)))  # from the second epoch on
    with pytest.raises(LiversegError, match=r"learning_rate"):
        run(tmp_path, **constant)
    assert not (tmp_path / "models" / "model.safetensors").exists()
    (folder,) = (tmp_path / ".resume").iterdir()
    left = ResumeFolder(folder).newest()
    best = {name: tensor for name, tensor in left.tensors.items() if name.startswith("best.")}
    assert left.progress.best_epoch == 1
    assert best.keys() == {f"best.{name}" for name in first.weights}
    for name, tensor in first.weights.items():
        assert torch.equal(best[f"best.{name}"], tensor)


def test_no_chunk_left_is_said_before_training(tmp_path):
    files = tiny_files(tmp_path)
    nothing = replace(files, train_images=[], train_labels=[], train_kept=[])
    with pytest.raises(LiversegError, match="min_liver_voxels"):
        run_training(nothing, name="tiny", settings=tiny_settings(), resume_root=tmp_path)


def test_early_stopping_stops_early(tmp_path):
    _, trained = run(
        tmp_path,
        epochs=50,
        early_stopping=2,
        optimiser={"name": "sgd", "learning_rate": 1e-9, "weight_decay": 0.0, "momentum": 0.0},
        average_decay=None,
    )
    assert len(trained.history) < 10


def test_two_accumulated_batches_move_the_weights_as_one_of_twice_the_size(tmp_path):
    alike = {
        "epochs": 1,
        "model": {**MODEL, "norm": "instance"},
        "loss": {"name": "cross_entropy", "class_weights": None},  # a mean over samples
        "optimiser": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 0.0, "momentum": 0.9},
        "clip_norm": None,
        "average_decay": None,
    }
    _, halves = run(tmp_path, "halves", accumulate=2, batch_size=2, **alike)
    _, wholes = run(tmp_path, "wholes", accumulate=1, batch_size=4, **alike)
    for name, tensor in wholes.weights.items():
        torch.testing.assert_close(halves.weights[name], tensor, rtol=1e-4, atol=1e-6)


def test_accumulated_steps_see_as_many_samples_as_larger_batches(tmp_path):
    _, trained = run(tmp_path, accumulate=2, steps_per_epoch=None, batch_size=2)
    assert trained.history[-1]["step"] == 3  # three chunks, four samples a step: one step an epoch


def test_patches_are_cut_from_chunks(tmp_path):
    files, _ = run(tmp_path, patch=[8, 8, 8], epochs=1)
    assert read_json(files.card)["patch"] == [8, 8, 8]


def test_a_warm_start_begins_from_the_weights_given(tmp_path):
    released, first = run(tmp_path, "first", epochs=1)
    still = {"name": "sgd", "learning_rate": 1e-12, "weight_decay": 0.0, "momentum": 0.0}
    files = replace(tiny_files(tmp_path, "second"), warm_start=[released.weights])
    settings = tiny_settings(epochs=1, optimiser=still, average_decay=None)
    begun = run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    weights = {name for name, tensor in first.weights.items() if name.endswith("weight")}
    assert weights
    for name in weights:
        torch.testing.assert_close(begun.weights[name], first.weights[name])


def test_a_warm_start_from_other_classes_renews_the_output_layer_alone(tmp_path, capsys):
    released, _ = run(tmp_path, "first", epochs=1)
    files = replace(tiny_files(tmp_path, "second"), warm_start=[released.weights])
    two = [{"name": "liver", "values": "positive"}, {"name": "tumour", "values": [2]}]
    settings = {**tiny_settings(epochs=1), "labels": two}
    run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    taken = next(line for line in capsys.readouterr().err.splitlines() if "taken over" in line)
    assert len(taken.split("new are ")[1].split(", ")) == 2  # its weight and its bias


def test_other_weights_to_begin_from_are_another_training(tmp_path):
    keys = set()
    for seed in (1, 2):
        released, _ = run(tmp_path, f"first{seed}", epochs=1, seed=seed)
        files = replace(tiny_files(tmp_path), warm_start=[released.weights])
        keys.add(resume_key(tiny_settings(), files.inputs, "tiny"))
    assert len(keys) == 2


def test_damaged_weights_to_begin_from_are_named(tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    files = replace(tiny_files(tmp_path), warm_start=[damaged])
    with pytest.raises(LiversegError, match=r"damaged\.safetensors[\s\S]*training\.warm_start"):
        run_training(files, name="tiny", settings=tiny_settings(), resume_root=tmp_path)


def test_tensorboard_shows_each_epoch_once_though_the_training_was_interrupted(
    tmp_path, monkeypatch
):
    real, calls = loop.deeply_supervised, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 5:  # in the middle of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(loop, "deeply_supervised", stopping)
    with pytest.raises(TrainingStopped):
        run(tmp_path)
    files, trained = run(tmp_path)
    shown = scalars(files.events)
    steps = [row["step"] for row in trained.history]
    for tag, column in (("loss/training", "train_loss"), ("Dice/validation", "validation_dice")):
        assert [step for step, _ in shown[tag]] == steps
        values = [row[column] for row in trained.history]
        assert [value for _, value in shown[tag]] == pytest.approx(values)
    assert set(shown) == {"loss/training", "Dice/training", "Dice/validation", "learning_rate"}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag → (step, value) of the one event file, read record by record."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.glob("events.out.tfevents.*")
    content, found = path.read_bytes(), {}
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
        content = content[12 + length + 4 :]
    return found


def test_deep_supervision_trains(tmp_path):
    deep = {**MODEL, "levels": 3, "deep_supervision": True}
    _, trained = run(tmp_path, epochs=1, model=deep)
    assert np.isfinite(trained.history[0]["train_loss"])
