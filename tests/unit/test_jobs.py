"""What a job gets, where its words go, and that it dies with its driver."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.jobs import DRIVER, run_job
from workflow.liverseg.run_notes import _last_lines

ROOT = Path(__file__).resolve().parents[2]


class Names(dict):
    """Stands in for Snakemake's named lists."""

    def __iter__(self) -> Any:
        return iter(self.values())


def job(tmp_path: Path, **values: Any) -> SimpleNamespace:
    """A stand-in for the `snakemake` object of a script."""
    given: dict[str, Any] = {
        "input": Names(volume="v.npz", labels=["a.nii", "b.nii"]),
        "output": Names(table=str(tmp_path / "t.tsv")),
        "wildcards": Names(patient="p1"),
        "params": Names(settings=json.dumps({"chunks": {"slices": 16}}), code=["m:1"]),
        "resources": Names(mem_mb=7),
        "threads": 2,
        "log": [str(tmp_path / "logs/a.log")],
        "rule": "cut_chunks",
    }
    return SimpleNamespace(**(given | values))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DRIVER, raising=False)


def test_main_gets_what_it_names(tmp_path: Path) -> None:
    got = {}

    def main(volume, labels, table, patient, settings, threads, mem_mb):  # type: ignore[no-untyped-def]
        got.update(locals())

    run_job(job(tmp_path), main)
    got.pop("got", None)
    assert got == {
        "volume": Path("v.npz"),
        "labels": [Path("a.nii"), Path("b.nii")],
        "table": tmp_path / "t.tsv",
        "patient": "p1",
        "settings": {"chunks": {"slices": 16}},
        "threads": 2,
        "mem_mb": 7,
    }


def test_a_name_that_the_rule_lacks_is_said(tmp_path: Path) -> None:
    def main(nonsense: int) -> None: ...

    with pytest.raises(SystemExit) as caught:
        run_job(job(tmp_path), main)
    assert "rule cut_chunks gives no `nonsense`" in str(caught.value.__cause__)


def test_words_of_every_kind_and_the_traceback_go_to_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    def main() -> None:
        print("from Python")
        os.write(2, b"from C\n")
        raise RuntimeError("broken")

    with capfd.disabled(), pytest.raises(SystemExit):
        run_job(job(tmp_path), main)
    text = (tmp_path / "logs/a.log").read_text()
    assert "from Python" in text
    assert "from C" in text
    assert text.rstrip().endswith("RuntimeError: broken")


def test_a_users_error_ends_the_log_and_the_job(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    def main() -> None:
        raise fault(patient="p1", found="no slice", remedy="export it again")

    with capfd.disabled(), pytest.raises(SystemExit) as caught:
        run_job(job(tmp_path), main)
    assert caught.value.code == 1
    assert isinstance(caught.value.__cause__, LiversegError)
    assert "remedy: export it again" in (tmp_path / "logs/a.log").read_text()


def test_a_traceback_does_not_repeat_the_paths_of_the_users_files(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    own = tmp_path / "DOE^JANE" / "Jane 1970.nii"
    given = Names(volume=str(own), made="results/volumes/p1.npz")

    def main(volume: Path) -> None:
        try:
            volume.read_bytes()
        except OSError as error:
            raise fault(patient="p1", found=f"nothing in {volume.parent}", remedy="x") from error

    with capfd.disabled(), pytest.raises(SystemExit):
        run_job(job(tmp_path, input=given), main)
    text = (tmp_path / "logs/a.log").read_text()
    assert "No such file or directory: '(a file of yours)'" in text
    assert "found: nothing in (a file of yours)" in text
    assert "DOE" not in text
    assert "Jane" not in text


def test_a_job_dies_with_its_driver(tmp_path: Path) -> None:
    driver = subprocess.Popen(["sleep", "60"])
    code = (
        "import time\nfrom workflow.liverseg.jobs import die_with_driver\n"
        "die_with_driver(); print('up', flush=True); time.sleep(60)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, DRIVER: str(driver.pid)},
        stdout=subprocess.PIPE,
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    driver.kill()
    driver.wait()
    begun = time.monotonic()
    assert worker.wait(timeout=10) == 1
    assert time.monotonic() - begun < 2
    worker.stdout.close()


def test_a_job_whose_driver_is_gone_does_not_begin() -> None:
    driver = subprocess.Popen(["true"])
    driver.wait()
    code = "from workflow.liverseg.jobs import die_with_driver; die_with_driver(); print('ran')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, DRIVER: str(driver.pid)},
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (1, b"")


JOB = """
import os, sys
from types import SimpleNamespace
from workflow.liverseg.jobs import run_job

class Names(dict):
    def __iter__(self):
        return iter(self.values())

def main():
    raise RuntimeError("broken")

os.chdir(sys.argv[1])
run_job(SimpleNamespace(
    input=Names(), output=Names(table="results/t.tsv"), wildcards=Names(), params=Names(),
    resources=Names(), threads=1, log=["results/logs/a.log"], rule="r",
), main)
"""


def run_on(disk: Path) -> subprocess.CompletedProcess:
    """Run a job that fails, in a process of its own, in a folder of `disk`."""
    call = [sys.executable, "-c", JOB, str(disk)]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_log_that_takes_no_more_is_told_to_the_user_with_the_fault(tmp_path: Path) -> None:
    (tmp_path / "results/logs").mkdir(parents=True)
    (tmp_path / "results/logs/a.log").symlink_to("/dev/full")
    done = run_on(tmp_path)
    assert done.returncode == 1
    assert "found: no space left, or a quota used up: results/logs: " in done.stderr
    assert "remedy: make room" in done.stderr
    assert "RuntimeError: broken" in done.stderr


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk on which a file can be created and nothing written."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: it needs root and the right to mount")
    try:
        with contextlib.suppress(OSError), (disk / "all").open("wb", buffering=0) as stream:
            while stream.write(b"x" * 4096):
                pass
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_where_neither_lease_nor_log_can_be_written(full_disk: Path) -> None:
    done = run_on(full_disk)
    assert done.returncode == 1
    assert "results/logs: 0 of 0 MB free" in done.stderr
    assert ".snakemake/liverseg/leases: 0 of 0 MB free" in done.stderr
    assert "remedy: make room" in done.stderr
    assert list((full_disk / ".snakemake/liverseg/leases").iterdir()) == []
    assert _last_lines(full_disk / "results/logs/a.log") == [
        "(empty: its disk is full, 0 of 0 MB free)"
    ]
