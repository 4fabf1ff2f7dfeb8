"""The engine: it learns, repeats to the bit, survives kills, signals and broken numbers."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from tests.conftest import ROOT
from tests.killing import PLACES
from tests.tiny_training import MODEL, files_in, resume_root, tiny_files, tiny_settings
from workflow.liverseg import training as loop
from workflow.liverseg import training_run, validation
from workflow.liverseg.checkpoints import ResumeFolder, resume_key
from workflow.liverseg.ended_trainings import ENDED
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_json, sha256
from workflow.liverseg.interruption import TrainingStopped
from workflow.liverseg.model_files import load_model
from workflow.liverseg.training_events import EventFile
from workflow.liverseg.training_probe import StepCost
from workflow.liverseg.training_run import run_training


def run(root: Path, out: str = "models", **training):
    model = training.pop("model", MODEL)
    settings = {**tiny_settings(**training), "model": model}
    files = tiny_files(root, out)
    trained = run_training(files, name="tiny", settings=settings, resume_root=resume_root(files))
    return files, trained


def curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads: for each curve its epochs and values; every checksum is checked."""
    found, rest = defaultdict(list), path.read_bytes()
    while rest:
        size = struct.unpack("<Q", rest[:8])[0]
        body = rest[12 : 12 + size]
        assert struct.unpack("<I", rest[8:12])[0] == masked_crc32c(rest[:8])
        assert struct.unpack("<I", rest[12 + size : 16 + size])[0] == masked_crc32c(body)
        event = Event.FromString(body)
        for value in event.summary.value:
            found[value.tag].append((event.step, value.simple_value))
        rest = rest[16 + size :]
    return dict(found)


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


def test_a_training_whose_end_nobody_recorded_is_not_made_again(tmp_path, monkeypatch):
    files, _ = run(tmp_path)
    (folder,) = resume_root(files).iterdir()
    assert sorted(path.suffix for path in folder.glob("[!.]*")) == ["", ".safetensors", ".sha256"]
    outputs = [files.weights, files.card, files.history, files.events]
    made = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    monkeypatch.setattr(loop, "deeply_supervised", None)  # no step is made
    run(tmp_path)
    assert [path.read_bytes() for path in outputs] == made


def test_an_ended_training_that_is_gone_on_from_and_fails_has_not_ended(tmp_path, monkeypatch):
    run(tmp_path)
    (note,) = (tmp_path / "models").glob(f".resume/*/{ENDED}")
    monkeypatch.setattr(training_run, "save_model", None)
    with pytest.raises(TypeError):
        run(tmp_path)
    assert not note.exists()


def test_a_second_training_of_the_same_model_is_refused_and_harms_not_the_first(tmp_path):
    folder = ResumeFolder(tmp_path)
    with folder.held():
        half_written = tmp_path / ".part-0.000-000000001b.safetensors"
        half_written.touch()
        with pytest.raises(LiversegError, match="another process"), folder.held():
            pass
        assert half_written.exists()
    with folder.held():
        assert not half_written.exists()


def stop_at(monkeypatch, step: int) -> None:
    """Ask to stop while the `step`-th step is made."""
    real, calls = loop.deeply_supervised, []

    def signalling(*arguments):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(loop, "deeply_supervised", signalling)


def test_a_training_that_went_on_on_another_kind_of_machine_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loop, "machine_kind", lambda device: "NVIDIA A100")
    stop_at(monkeypatch, 5)  # in the middle of an epoch
    with pytest.raises(TrainingStopped):
        run(tmp_path)
    capsys.readouterr()
    monkeypatch.setattr(loop, "machine_kind", lambda device: "NVIDIA H100")
    files, trained = run(tmp_path)
    assert "goes on on NVIDIA H100, after NVIDIA A100" in capsys.readouterr().err
    assert list(trained.machines) == ["NVIDIA A100", "NVIDIA H100"]
    (note,) = read_json(files.card)["notes"]
    assert "several kinds of machine" in note
    assert note.index("A100") < note.index("H100")
    made = files.card.read_bytes()
    monkeypatch.setattr(loop, "machine_kind", lambda device: "NVIDIA V100")
    run(tmp_path)  # had ended: no step is made there
    assert files.card.read_bytes() == made


def test_one_kind_of_machine_needs_no_note(tmp_path, monkeypatch, capsys):
    stop_at(monkeypatch, 5)
    with pytest.raises(TrainingStopped):
        run(tmp_path)
    files, _ = run(tmp_path)
    assert "goes on on" not in capsys.readouterr().err
    assert read_json(files.card)["notes"] == []


def test_the_events_for_tensorboard_say_what_the_history_says(tmp_path):
    files, trained = run(tmp_path, validate_every=2)
    found = curves(files.events)
    assert set(found) == {"loss/train", "dice/train", "dice/validation", "learning_rate"}
    for tag, column in (("loss/train", "train_loss"), ("learning_rate", "learning_rate")):
        expected = [(row["epoch"], np.float32(row[column])) for row in trained.history]
        assert found[tag] == expected
    assert [epoch for epoch, _ in found["dice/validation"]] == [2, 3]  # no event where none was


def test_events_have_a_dice_for_each_region_and_no_epoch_twice(tmp_path):
    row = {"epoch": 1, "step": 3, "validation_dice": 0.5, "validation_dice_tumour": 0.25}
    path = tmp_path / "events.out.tfevents.liverseg"
    events = EventFile(path)
    history = [row]
    events.update(history)
    events.update([*history, {**row, "epoch": 2}])
    events.update([*history, {**row, "epoch": 2, "validation_dice": 0.75}])  # as after a rollback
    assert curves(path) == {
        "dice/validation": [(1, 0.5), (2, 0.75)],
        "dice_tumour/validation": [(1, 0.25), (2, 0.25)],
    }


def test_the_events_grow_while_it_trains(tmp_path, monkeypatch):
    broken_at(monkeypatch, set(range(5, 100)))  # from the second epoch on
    with pytest.raises(LiversegError):
        run(tmp_path)
    assert len(curves(files_in(tmp_path).events)["loss/train"]) == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_runs_end_in_the_same_bits(tmp_path, precision):
    digests = {sha256(run(tmp_path, out, precision=precision)[0].weights) for out in "ab"}
    assert len(digests) == 1
    assert sha256(run(tmp_path, "c", precision=precision, seed=4)[0].weights) not in digests


def test_25_kills_change_no_bit(tmp_path):
    files, trained = run(tmp_path)
    command = [sys.executable, "-m", "tests.killing", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    struck = told["struck"]
    assert Counter(place for place, _ in struck) == PLACES
    last = trained.history[-1]["step"]
    under_way = [place for place, step in struck if 0 < step < last]
    print(f"{len(struck)} kills, {len(under_way)} of them under way: {struck}")
    assert len(struck) == 25
    assert len(under_way) >= 12
    assert under_way.count("write") >= 6
    names = ("model.safetensors", "history.csv", "model.json", "events.out.tfevents.liverseg")
    assert len(told["ended"]) >= 3
    for outputs in told["ended"]:
        assert outputs == {name: sha256(files.weights.with_name(name)) for name in names}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
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


def broken_at(monkeypatch, chosen: set[int], stop_at: int | None = None) -> None:
    """Make the loss of the `chosen` steps NaN, counted from 1; ask to stop at step `stop_at`."""
    real, calls = loop.deeply_supervised, []

    def broken(*arguments):
        calls.append(1)
        if len(calls) == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
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


def test_a_kill_after_a_rollback_does_not_undo_it(tmp_path, monkeypatch):
    broken_at(monkeypatch, {5})
    whole, _ = run(tmp_path, "whole", checkpoint_minutes=60)
    monkeypatch.undo()
    broken_at(monkeypatch, {5}, stop_at=7)  # two steps after the rollback
    with pytest.raises(TrainingStopped):
        run(tmp_path, "stopped", checkpoint_minutes=60)
    resumed, trained = run(tmp_path, "stopped", checkpoint_minutes=60)
    assert trained.rollbacks == 1
    assert sha256(resumed.weights) == sha256(whole.weights)


def test_a_loss_scale_survives_a_rollback(tmp_path, monkeypatch):
    # float16 as a GPU without bfloat16 trains: here on the CPU, where torch scales as well.
    monkeypatch.setattr(loop, "_loss_scaler", lambda compute: torch.amp.GradScaler("cpu"))
    broken_at(monkeypatch, {5})
    _, trained = run(tmp_path)
    assert trained.rollbacks == 1
    assert np.isfinite(pd.DataFrame(trained.history)["train_loss"]).all()


def scaled_and_without_gradient_at(monkeypatch, chosen: set[int]) -> None:
    """Train with a loss scale; the `chosen` steps have a finite loss, but NaN for a gradient."""
    real, calls = loop.deeply_supervised, []

    def broken(*arguments):
        calls.append(1)
        value = real(*arguments)
        if len(calls) in chosen:
            value.register_hook(lambda gradient: gradient * float("nan"))
        return value

    monkeypatch.setattr(loop, "_loss_scaler", lambda compute: torch.amp.GradScaler("cpu"))
    monkeypatch.setattr(loop, "deeply_supervised", broken)


@pytest.mark.parametrize(("in_a_row", "rollbacks"), [(3, 0), (9, 0), (10, 1)])
def test_few_steps_that_a_loss_scale_skips_are_usual_and_ten_in_a_row_are_a_nan(
    tmp_path, monkeypatch, in_a_row, rollbacks
):
    scaled_and_without_gradient_at(monkeypatch, set(range(2, 2 + in_a_row)))
    _, trained = run(tmp_path, epochs=5, validate_every=5)
    assert trained.rollbacks == rollbacks
    assert all(torch.isfinite(tensor).all() for tensor in trained.weights.values())


def test_skipped_steps_are_counted_over_an_interruption(tmp_path, monkeypatch):
    scaled_and_without_gradient_at(monkeypatch, set(range(2, 8)))
    broken_at(monkeypatch, set(), stop_at=7)
    with pytest.raises(TrainingStopped):
        run(tmp_path, epochs=5, validate_every=5)
    monkeypatch.undo()
    scaled_and_without_gradient_at(monkeypatch, set(range(1, 5)))
    _, trained = run(tmp_path, epochs=5, validate_every=5)
    assert trained.rollbacks == 1


def test_gradients_that_stay_without_finite_value_end_a_scaled_training_too(tmp_path, monkeypatch):
    scaled_and_without_gradient_at(monkeypatch, set(range(5, 1000)))
    with pytest.raises(LiversegError, match="precision: float32"):
        run(tmp_path, epochs=8, validate_every=8)


def test_gradients_that_no_scale_helps_are_a_nan(tmp_path, monkeypatch):
    scaled_and_without_gradient_at(monkeypatch, {2, 3})  # the scale is 1.5, then 0.75
    small = {"init_scale": 1.5, "growth_interval": 2000}
    monkeypatch.setattr(loop, "_loss_scaler", lambda compute: torch.amp.GradScaler("cpu", **small))
    monkeypatch.setattr(loop, "SKIPPED_IN_A_ROW", 1000)
    _, trained = run(tmp_path)
    assert trained.rollbacks == 1


def test_a_signal_during_validation_ends_it_and_no_step_is_lost(tmp_path, monkeypatch):
    real, calls = validation.region_dice, []

    def signalling(*arguments):
        calls.append(1)
        if len(calls) == 1:  # in the first patient of two
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    files = tiny_files(tmp_path, "stopped")
    twice = replace(
        files, validation_volumes=[*files.validation_volumes, tmp_path / "volumes/p0.npz"]
    )
    how = {"name": "tiny", "resume_root": resume_root(files)}
    settings = tiny_settings(checkpoint_minutes=60)
    monkeypatch.setattr(validation, "region_dice", signalling)
    with pytest.raises(TrainingStopped, match="before step 4"):
        run_training(twice, settings=settings, **how)
    assert len(calls) == 1
    trained = run_training(twice, settings=settings, **how)
    assert len(calls) == 1 + 3 * 2  # each epoch's validation once, whole
    assert [row["step"] for row in trained.history] == [3, 6, 9]
    interrupted = [path.read_bytes() for path in (files.history, files.events)]
    how["resume_root"] = tmp_path / "undisturbed"
    reference = run_training(twice, settings=settings, **how)
    assert interrupted == [path.read_bytes() for path in (files.history, files.events)]
    assert all(
        torch.equal(trained.weights[name], reference.weights[name]) for name in trained.weights
    )


def test_a_nan_that_stays_ends_with_the_remedy_and_leaves_best_alone(tmp_path, monkeypatch):
    constant = {"schedule": {"name": "constant", "warmup_steps": 0, "power": 1}}
    _, first = run(tmp_path, "first", epochs=1, **constant)
    broken_at(monkeypatch, set(range(5, 100)))  # from the second epoch on
    with pytest.raises(LiversegError, match=r"learning_rate"):
        run(tmp_path, **constant)
    assert not (tmp_path / "models" / "model.safetensors").exists()
    (folder,) = (tmp_path / "models/.resume").iterdir()
    left = ResumeFolder(folder).newest()
    best = {name: tensor for name, tensor in left.tensors.items() if name.startswith("best.")}
    assert left.progress.best_epoch == 1
    assert best.keys() == {f"best.{name}" for name in first.weights}
    for name, tensor in first.weights.items():
        assert torch.equal(best[f"best.{name}"], tensor)


def test_batch_norm_with_one_sample_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(LiversegError, match="norm: instance"):
        run(tmp_path, batch_size=1)
    run(tmp_path, batch_size=1, epochs=1, model={**MODEL, "norm": "instance"})


def test_the_first_line_tells_device_data_memory_and_time_and_trying_changes_no_bit(
    tmp_path, capsys, monkeypatch
):
    first, _ = run(tmp_path, "first", epochs=1)
    line = capsys.readouterr().err.splitlines()[0]
    for word in ("cpu, float32", "1 threads", "3 chunks", "16×16×16", "GB in use", "3 steps of"):
        assert word in line
    untried = StepCost(seconds=1.0, peak_bytes=1)
    monkeypatch.setattr(training_run, "try_step", lambda *arguments, **named: untried)
    second, _ = run(tmp_path, "second", epochs=1)
    assert sha256(first.weights) == sha256(second.weights)


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


def test_early_stopping_without_validation_is_told_to_stop_nothing(tmp_path, capsys):
    files = replace(tiny_files(tmp_path), validation_volumes=[])
    for patience, told in ((1, True), (None, False)):
        settings = tiny_settings(early_stopping=patience)
        capsys.readouterr()
        trained = run_training(files, name="tiny", settings=settings, resume_root=tmp_path)
        assert ("`training.early_stopping` will end nothing" in capsys.readouterr().err) == told
        assert len(trained.history) == 3


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


def test_a_warm_start_takes_what_fits(tmp_path):
    files, _ = run(tmp_path, "first", epochs=1)
    warm = replace(files_in(tmp_path, "second"), warm_start=[files.weights])
    still = {"name": "sgd", "learning_rate": 1e-12, "weight_decay": 0.0, "momentum": 0.0}
    settings = tiny_settings(epochs=1, optimiser=still)
    settings["labels"] = [{"name": name, "values": [value]} for value, name in enumerate("ab", 1)]
    run_training(warm, name="warm", settings=settings, resume_root=tmp_path / ".resume")
    first, second = load_file(files.weights), load_file(warm.weights)
    anew = {name for name, tensor in first.items() if tensor.shape != second[name].shape}
    assert anew == {"network.output.weight", "network.output.bias"}
    kept = [name for name in first if name not in anew and name.endswith("weight")]
    for name in kept:
        torch.testing.assert_close(second[name], first[name])
    assert sha256(files.weights) in read_json(warm.card)["notes"][0]


def test_a_warm_start_from_other_preprocessing_is_taken_and_told(tmp_path, capsys):
    files, _ = run(tmp_path, "first", epochs=1)
    for spacing, window, told in [(3.0, [-200, 250], False), (1.5, [-100, 250], True)]:
        warm = replace(files_in(tmp_path, f"from-{spacing}"), warm_start=[files.weights])
        settings = tiny_settings(epochs=1)
        settings["volumes"] |= {"spacing_mm": [spacing] * 3, "window_hu": window}
        capsys.readouterr()
        run_training(warm, name="warm", settings=settings, resume_root=resume_root(warm))
        text = (
            "the model begun from learned from CTs prepared in another way: "
            "`spacing_mm` 3.0, here [1.5, 1.5, 1.5], `window_hu` [-200, 250], here [-100, 250]"
        )
        assert (f"warning: {text}" in capsys.readouterr().err) == told
        assert read_json(warm.card)["notes"][1:] == [text] * told


@pytest.mark.parametrize(
    "other",
    [{**MODEL, "width": 4}, {**MODEL, "levels": 3}, {"network": "unet", "channels": [2, 4]}],
)
def test_a_warm_start_of_another_network_is_refused(tmp_path, other):
    files, _ = run(tmp_path, "first", epochs=1)
    warm = replace(files_in(tmp_path, "second"), warm_start=[files.weights])
    settings = {**tiny_settings(epochs=1), "model": other}
    with pytest.raises(LiversegError, match="same network, width"):
        run_training(warm, name="warm", settings=settings, resume_root=tmp_path / ".resume")


def test_other_weights_to_begin_from_are_another_training(tmp_path):
    files = tiny_files(tmp_path)
    keys = set()
    for content in (b"one", b"two"):
        files.weights.parent.mkdir(exist_ok=True)
        files.weights.write_bytes(content)
        keys.add(resume_key({}, replace(files, warm_start=[files.weights]).inputs, "tiny"))
    assert len(keys | {resume_key({}, files.inputs, "tiny")}) == 3


def test_damaged_weights_to_begin_from_are_named_with_the_setting(tmp_path):
    files = tiny_files(tmp_path)
    damaged = tmp_path / "released" / "model.safetensors"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no weights")
    with pytest.raises(LiversegError, match=r"(?s)released/model\.safetensors.*warm_start"):
        run_training(
            replace(files, warm_start=[damaged]),
            name="tiny",
            settings=tiny_settings(),
            resume_root=tmp_path,
        )


def test_deep_supervision_trains(tmp_path):
    deep = {**MODEL, "levels": 3, "deep_supervision": True}
    _, trained = run(tmp_path, epochs=1, model=deep)
    assert np.isfinite(trained.history[0]["train_loss"])
