"""Never two writers of one output, and no lease that outlives its holder."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workflow.liverseg import leases
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.leases import Holder, lease, living_elsewhere, started

ROOT = Path(__file__).resolve().parents[2]
HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom workflow.liverseg.leases import lease\n"
    "with lease(['a'], folder=Path(sys.argv[1]), beat_seconds=0.05):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def hold(folder: Path) -> subprocess.Popen:
    """A process that holds the lease of output `a`."""
    job = subprocess.Popen([sys.executable, "-c", HOLD, folder], cwd=ROOT, stdout=subprocess.PIPE)
    assert job.stdout is not None
    assert job.stdout.readline() == b"held\n"
    job.stdout.close()
    return job


def on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.socket, "gethostname", lambda: "elsewhere")


def test_a_second_writer_is_refused_and_another_output_is_not(tmp_path: Path) -> None:
    job = hold(tmp_path)
    with lease(["b"], folder=tmp_path):
        pass
    second = lease(["a"], folder=tmp_path, stale_seconds=1, patience_seconds=0.2)
    with pytest.raises(LiversegError, match=rf"process {job.pid} on .* is writing it"), second:
        pass
    job.kill()
    job.wait()


def test_a_killed_holder_is_followed_at_once(tmp_path: Path) -> None:
    job = hold(tmp_path)
    job.kill()
    job.wait()
    begun = time.monotonic()
    with lease(["a"], folder=tmp_path):
        assert time.monotonic() - begun < 1
    assert list(tmp_path.iterdir()) == []


def test_a_lost_machine_is_followed_once_its_touches_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = hold(tmp_path)
    on_another_machine(monkeypatch)
    assert [holder.pid for holder in living_elsewhere(tmp_path)] == [job.pid]
    second = lease(["a"], folder=tmp_path, stale_seconds=1, patience_seconds=0.2)
    with pytest.raises(LiversegError), second:
        pass
    job.kill()
    job.wait()
    begun = time.monotonic()
    with lease(["a"], folder=tmp_path, stale_seconds=0.5, patience_seconds=0.1):
        assert 0.4 < time.monotonic() - begun < 3


def test_a_living_job_is_seen_though_the_clocks_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = hold(tmp_path)
    on_another_machine(monkeypatch)
    now = time.time()
    monkeypatch.setattr(leases.time, "time", lambda: now + 200)
    assert [holder.pid for holder in living_elsewhere(tmp_path)] == [job.pid]
    job.kill()
    job.wait()
    (lease_file,) = tmp_path.glob("*.json")
    os.utime(lease_file, (now - 100, now - 100))
    assert living_elsewhere(tmp_path) == []


def test_a_drive_without_hard_links_serves_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(leases.os, "link", refuse)
    with lease(["a"], folder=tmp_path):
        second = lease(["a"], folder=tmp_path, stale_seconds=0.2, patience_seconds=0)
        on_another_machine(monkeypatch)
        (path,) = tmp_path.glob("*.json")
        beating = threading.Timer(0.1, os.utime, (path,))
        beating.start()
        with pytest.raises(LiversegError), second:
            pass
        beating.join()
        monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_lease_that_is_still_being_written_is_not_taken_over(tmp_path: Path) -> None:
    with lease(["a"], folder=tmp_path):
        (path,) = tmp_path.glob("*.json")
        whole = path.read_text()
    path.touch()  # as a drive without hard links shows it for a moment
    writing = threading.Timer(0.2, path.write_text, (whole,))
    writing.start()
    second = lease(["a"], folder=tmp_path, stale_seconds=1, patience_seconds=0.1)
    with pytest.raises(LiversegError, match="is writing it"), second:
        pass
    assert path.read_text() == whole
    writing.join()


def test_a_job_that_slurm_requeued_follows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Holder("t", "node-1", 7, "1", slurm_job="12", slurm_restart="0")
    assert not holder.is_gone()
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert holder.is_gone()


def test_of_many_that_wait_one_at_a_time_holds(tmp_path: Path) -> None:
    inside, most = [], []

    def job() -> None:
        with lease(["a"], folder=tmp_path, stale_seconds=1):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    leases_before = threading.active_count()
    jobs = [threading.Thread(target=job) for _ in range(6)]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()
    assert most == [1] * 6
    assert threading.active_count() == leases_before


def test_a_process_number_used_again_is_another_process() -> None:
    assert started(1 << 22) == ""
    assert Holder("t", leases.socket.gethostname(), 1, "not then").is_gone()
