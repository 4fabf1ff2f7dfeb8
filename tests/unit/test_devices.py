"""What a training computes with: refused where it cannot be, and repeatable where wanted."""

import os

import pytest
import torch

from workflow.liverseg.devices import choose_compute, memory_told
from workflow.liverseg.errors import LiversegError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def test_float16_on_a_cpu_is_refused_with_the_remedy():
    with pytest.raises(LiversegError, match=r"(?s)float16` on a CPU.*bfloat16"):
        choose_compute({"device": "cpu", "precision": "float16"})
    assert choose_compute({"device": "cpu", "precision": "bfloat16"}).precision == torch.bfloat16


def test_cublas_is_told_to_repeat_before_cuda_is_asked_for_anything(monkeypatch):
    monkeypatch.setenv(CUBLAS, "")  # so that what is set here is taken back
    monkeypatch.delenv(CUBLAS)
    seen = []

    def is_available():
        seen.append(os.environ.get(CUBLAS))
        return False

    monkeypatch.setattr(torch.cuda, "is_available", is_available)
    choose_compute({"deterministic": False})
    assert set(seen) == {None}
    seen.clear()
    choose_compute({"deterministic": True})
    assert set(seen) == {":4096:8"}


def test_the_users_own_cublas_workspace_stays(monkeypatch):
    monkeypatch.setenv(CUBLAS, ":16:8")
    choose_compute({"device": "cpu"})
    assert os.environ[CUBLAS] == ":16:8"


def test_a_gpu_without_memory_left_is_told_with_what_takes_less():
    with (
        pytest.raises(LiversegError, match=r"(?s)cuda for batches of 4.*training\.accumulate"),
        memory_told(torch.device("cuda"), {"batch_size": 4}),
    ):
        raise torch.OutOfMemoryError
