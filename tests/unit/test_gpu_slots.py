"""Two jobs at once get different devices; seen through the environment, without any GPU."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow.liverseg import gpu_slots, machine
from workflow.liverseg.gpu_slots import own_gpus
from workflow.liverseg.machine import gpu_names_here, gpus_here


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-b")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_each_holder_sees_its_own_device(tmp_path: Path) -> None:
    with own_gpus(1, folder=tmp_path) as first:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
        os.environ["CUDA_VISIBLE_DEVICES"] = "3,GPU-b"  # what another process still sees
        with own_gpus(1, folder=tmp_path) as second:
            assert (first, second) == (("3",), ("GPU-b",))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,GPU-b"


def test_a_third_waits_until_a_device_is_free(tmp_path: Path) -> None:
    got: list[tuple[str, ...]] = []

    def third() -> None:
        with own_gpus(1, folder=tmp_path) as mine:
            got.append(mine)

    with own_gpus(2, folder=tmp_path):
        os.environ["CUDA_VISIBLE_DEVICES"] = "3,GPU-b"
        waiting = threading.Thread(target=third)
        waiting.start()
        waiting.join(0.5)
        assert got == []
    waiting.join(5)
    assert got == [("3",)]


def test_nothing_is_done_without_need(tmp_path: Path) -> None:
    with own_gpus(0, folder=tmp_path) as mine:
        assert mine == ()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,GPU-b"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary folder of the machine's own, where the locks are."""
    monkeypatch.setattr(gpu_slots.tempfile, "gettempdir", lambda: str(tmp_path))


def test_trainings_side_by_side_in_one_allocation_of_slurm_get_different_devices(
    temporary: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")  # salloc, and Snakemake within it
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with own_gpus(1) as first:
        os.environ["CUDA_VISIBLE_DEVICES"] = "0,1"
        with own_gpus(1) as second:
            assert (first, second) == (("0",), ("1",))


def test_a_job_with_a_device_of_its_own_from_slurm_keeps_it(
    temporary: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")  # each job's own: they count from 0
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with own_gpus(1) as first:
        monkeypatch.setenv("SLURM_JOB_ID", "18")
        with own_gpus(1) as second:
            assert first == second == ("0",)


@pytest.mark.parametrize(
    ("visible", "names"), [("", ()), ("-1", ()), ("0", ("0",)), ("0, 2", ("0", "2"))]
)
def test_visible_devices_are_counted(
    monkeypatch: pytest.MonkeyPatch, visible: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_names_here() == names
    assert gpus_here() == len(names)


@pytest.fixture
def wsl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where nvidia-smi would be on a machine with WSL's device and no NVIDIA driver of Linux."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    (tmp_path / "dxg").touch()
    monkeypatch.setattr(machine, "DRIVER", tmp_path / "none")
    monkeypatch.setattr(machine, "WSL_DEVICE", tmp_path / "dxg")
    monkeypatch.setattr(machine, "WSL_SMI", tmp_path / "nvidia-smi")
    machine._gpus_of_wsl.cache_clear()
    yield tmp_path / "nvidia-smi"
    machine._gpus_of_wsl.cache_clear()


@pytest.mark.parametrize(
    ("script", "names"),
    [
        (
            '[ "$1" = -L ] && printf "GPU 0: RTX 4090 (UUID: a)\\nGPU 1: RTX 4090 (UUID: b)\\n"',
            "01",
        ),
        ('echo "Failed to initialize NVML: GPU access blocked"; exit 9', ""),
    ],
    ids=["two", "none that answers"],
)
def test_gpus_behind_windows_are_counted(wsl: Path, script: str, names: str) -> None:
    wsl.write_text(f"#!/bin/sh\n{script}\n")
    wsl.chmod(0o755)
    assert gpu_names_here() == tuple(names)


def test_windows_without_an_nvidia_driver_has_no_gpu(wsl: Path) -> None:
    assert gpus_here() == 0
    machine._gpus_of_wsl.cache_clear()
    wsl.write_text("no program")
    assert gpus_here() == 0


def test_linux_own_driver_is_counted_without_asking_a_program(wsl: Path, tmp_path: Path) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0", "0000:03:00.0"):
        (tmp_path / "none" / name).mkdir(parents=True)
    assert gpu_names_here() == ("0", "1", "2")
