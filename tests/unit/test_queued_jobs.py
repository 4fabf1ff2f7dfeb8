"""Jobs in Slurm's queue whose driver is gone; a stand-in for squeue answers."""

import json
import os
from pathlib import Path

import pytest

from workflow.liverseg import upkeep
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.queued_jobs import UNASKED, queued_jobs
from workflow.liverseg.snakemake_records import INCOMPLETE


def mark(folder: Path, **jobs: str | None) -> None:
    """Leave Snakemake's markers of unfinished outputs."""
    for name, job in jobs.items():
        path = folder / INCOMPLETE / "@nested" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"external_jobid": job}))


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where squeue is found; it is not there yet."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return folder / "squeue"


def answering(squeue: Path, script: str) -> None:
    squeue.write_text(f"#!/bin/sh\n{script}\n")
    squeue.chmod(0o755)


def test_a_job_in_the_queue_keeps_a_second_driver_out(tmp_path: Path, squeue: Path) -> None:
    mark(tmp_path, a="17", b="23_4", c="31", d=None)
    (tmp_path / INCOMPLETE / "migration_underway").touch()
    answering(squeue, "printf '17 17\\n26 23\\n99 99\\n'")
    assert queued_jobs(tmp_path) == ["17", "23"]
    with pytest.raises(LiversegError, match="still at work: 17 in the queue, 23 in the queue"):
        upkeep.resume(["true"], tmp_path)
    with pytest.raises(LiversegError, match=r"cancel them \(scancel\)"):
        upkeep.driver_starts(tmp_path)
    answering(squeue, "printf '99 99\\n'")
    assert queued_jobs(tmp_path) == []
    assert upkeep.resume(["true"], tmp_path) == 0


def test_nobody_is_asked_where_no_job_went_to_a_scheduler(tmp_path: Path, squeue: Path) -> None:
    answering(squeue, "exit 1")
    mark(tmp_path, a=None, b="pod-7")
    assert queued_jobs(tmp_path) == []


def test_a_scheduler_that_does_not_answer_is_not_taken_for_an_empty_queue(
    tmp_path: Path, squeue: Path
) -> None:
    mark(tmp_path, a="17")
    answering(squeue, "echo Unable to contact slurm controller >&2; exit 1")
    with pytest.raises(LiversegError, match="found: Unable to contact"):
        queued_jobs(tmp_path)


def test_a_scheduler_is_not_asked_where_the_user_says_so(
    tmp_path: Path, squeue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(tmp_path, a="17")
    answering(squeue, "exit 1")
    monkeypatch.setenv(UNASKED, "1")
    assert queued_jobs(tmp_path) == []
