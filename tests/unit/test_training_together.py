"""Several processes train what one trains: on a CPU, by gloo."""

import os
import signal
import threading
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_training import MODEL, files_in, resume_root, tiny_files, tiny_settings
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.interruption import StopSignal, TrainingStopped
from workflow.liverseg.training_run import run_training
from workflow.liverseg.training_together import train_together


def settings(**training):
    # Adam would make full steps of a gradient that is nothing but rounding.
    sgd = {"name": "sgd", "learning_rate": 0.05, "weight_decay": 0.0, "momentum": 0.9}
    known = {"batch_size": 4, "loss": {"name": "dice_focal", "class_weights": [0.5, 2.0]}}
    chosen = tiny_settings(**known, optimiser=sgd, **training)
    return {**chosen, "model": {**MODEL, "norm": "instance"}}


def train(files, *, processes, **training):
    known = {"name": "tiny", "settings": settings(**training), "resume_root": resume_root(files)}
    if processes == 1:
        run_training(files, **known)
    else:
        train_together(files, processes=processes, **known)
    return load_file(files.weights)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    """The folder of a training by two processes, and its weights."""
    root = tmp_path_factory.mktemp("two")
    return root, train(tiny_files(root), processes=2)


def test_two_processes_train_what_one_trains(by_two):
    root, two = by_two
    one = train(files_in(root, "alone"), processes=1)
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5)


def test_a_signal_stops_all_and_the_next_run_ends_in_the_same_bits(tmp_path):
    files = tiny_files(tmp_path)
    long = {"epochs": 25}  # not over before the signal has been passed on, however slow the machine
    whole = train(files_in(tmp_path, "whole"), processes=2, **long)

    def stop_when_it_runs():
        while not list(resume_root(files).glob("*/*.sha256")):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_it_runs, daemon=True).start()
    with pytest.raises(TrainingStopped):
        train(files, processes=2, **long)
    assert not files.weights.exists()
    stopped = train(files, processes=2, **long)
    assert all(torch.equal(stopped[name], tensor) for name, tensor in whole.items())


def test_a_signal_that_comes_when_all_is_done_harms_nothing(tmp_path):
    files = tiny_files(tmp_path)

    def stop_when_it_is_done():
        while not files.weights.exists():
            time.sleep(0.001)
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.005)

    with StopSignal().listening():  # for those that come when the call has returned
        signaller = threading.Thread(target=stop_when_it_is_done, daemon=True)
        signaller.start()
        try:
            train(files, processes=2, epochs=1)
        finally:
            signaller.join()
    assert files.card.exists()


def test_what_one_process_raises_is_told(tmp_path):
    chosen = {**settings(), "model": {**MODEL, "norm": "batch"}}
    with pytest.raises(Exception, match="norm: instance"):
        train_together(
            tiny_files(tmp_path),
            processes=2,
            name="tiny",
            settings=chosen,
            resume_root=tmp_path,
        )


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path):
    with pytest.raises(LiversegError, match="batch of 4 for 3"):
        train(tiny_files(tmp_path), processes=3)
