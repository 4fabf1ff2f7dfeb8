"""Two jobs at once get different devices; seen through the environment, without any GPU."""

import os
import threading
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("count", "job"), [(0, None), (1, "17")])
def test_nothing_is_done_without_need_or_under_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, job: str | None
) -> None:
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    with own_gpus(count, folder=tmp_path) as mine:
        assert mine == ()
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,GPU-b"


@pytest.mark.parametrize(
    ("visible", "names"), [("", ()), ("-1", ()), ("0", ("0",)), ("0, 2", ("0", "2"))]
)
def test_visible_devices_are_counted(
    monkeypatch: pytest.MonkeyPatch, visible: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpu_names_here() == names
    assert gpus_here() == len(names)
