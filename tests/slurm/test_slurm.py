"""The whole road through a real Slurm, with a requeued and a cancelled training on the way.

Runs where LIVERSEG_SLURM=1 lets tests/slurm/start.sh install and start Slurm, as `.ci/run` does.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kills import digests
from tests.workflow.houses import ROOT, House

START = Path(__file__).with_name("start.sh")
FINISHED_JOBS = Path("/var/lib/liverseg-slurm/jobs.txt")
SUBMITTED = re.compile(
    r"submitted with SLURM jobid (\d+) \(log: \S*slurm_logs/(?:rule|group)_(\w+)"
)
LONGER = {"training": {"epochs": 200, "validate_every": 50, "checkpoint_minutes": 0.01}}
# Few patients: each step starts Snakemake thrice, on the node, in the bundle and for itself.
COHORT = {"a1": "train", "b1": "validation", "c1": "test"}
OPTIONS = [
    *["--slurm-no-account", "--slurm-status-command", "squeue", "--latency-wait", "20"],
    *["--slurm-init-seconds-before-status-checks", "1"],
]


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """A running Slurm with two CPU nodes and one GPU node."""
    if os.environ.get("LIVERSEG_SLURM") != "1":
        pytest.skip("LIVERSEG_SLURM=1 is not set: it installs Slurm and writes /etc/slurm")
    started = subprocess.run([START], capture_output=True, text=True)
    if started.returncode == 77:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run([START, "stop"], check=True)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The executor plugin in a folder of its own: everyone's environment stays without it."""
    folder = tmp_path_factory.mktemp("plugins")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*pip, "-r", str(ROOT / "envs/cluster.txt")], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"the executor plugin cannot be installed: {done.stderr[-300:]}")
    return folder


def scontrol_state(job: str) -> str:
    shown = subprocess.run(["squeue", "-h", "-j", job, "-o", "%T"], capture_output=True, text=True)
    return shown.stdout.strip()


def until(condition: object, seconds: float = 600) -> bool:
    """Wait until a call returns something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


def training_jobs(log: Path) -> list[str]:
    """Slurm's numbers of the training jobs submitted so far."""
    return [job for job, of in SUBMITTED.findall(log.read_text()) if of == "train_model"]


def has_state(house: House, newer_than: float) -> bool:
    """Whether training has left a resume state since."""
    states = (house.run / "results/.resume").glob("*/*.sha256")
    return any(path.stat().st_mtime > newer_than for path in states)


def disturb(house: House, log: Path) -> list[str]:
    """Requeue the training once it has a resume state, then cancel it; return what was done."""
    done = []
    assert until(lambda: training_jobs(log)), log.read_text()[-3000:]
    job = training_jobs(log)[-1]
    begun = 0.0
    for word, call in (("requeued", ["scontrol", "requeue"]), ("cancelled", ["scancel"])):
        running = until(lambda: scontrol_state(job) == "RUNNING")
        if not running or not until(lambda: has_state(house, begun)):  # noqa: B023
            break
        begun = time.time()
        subprocess.run([*call, job], check=True)
        done.append(word)
    return done


@pytest.mark.timeout(1800)  # minutes on an idle machine; it may wait for others
def test_the_road_through_slurm_ends_in_the_bits_of_a_quiet_local_run(
    slurm: None, plugins: Path, tmp_path: Path
) -> None:
    quiet = House.build(tmp_path / "quiet")
    quiet.write_sheet(COHORT)
    quiet.set(**LONGER)
    local = quiet.snakemake()
    assert local.returncode == 0, local.text
    house = House.build(tmp_path / "cluster")
    house.write_sheet(COHORT)
    house.set(**LONGER)
    profile = ["--profile", str(house.sources / "profiles/slurm")]
    log = house.place / "log.txt"
    with log.open("w") as stream:
        driver = subprocess.Popen(
            house.command(*profile, *OPTIONS),
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(plugins)},
        )
        try:
            disturbed = disturb(house, log)
            driver.wait(timeout=900)
        finally:
            driver.kill()  # a failed test leaves no driver behind
    assert driver.returncode == 0, log.read_text()[-5000:]
    assert disturbed == ["requeued", "cancelled"]
    assert digests(house) == digests(quiet)
    trained = set(training_jobs(log))
    finished = [dict(re.findall(r"(\w+)=(\S*)", row)) for row in FINISHED_JOBS.open()]
    nodes = {row["JobId"]: row["NodeList"] for row in finished}
    assert {nodes[job] for job in trained} == {"gpu1"}
    others = {job for job, _ in SUBMITTED.findall(log.read_text())} - trained
    assert {nodes[job] for job in others} <= {"cpu1", "cpu2"}
    assert len(others) < len(local.jobs) / 2  # short steps go in bundles
    assert house.snakemake("--dry-run").jobs == set()  # another executor reruns nothing
