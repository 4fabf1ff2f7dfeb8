"""A dataset is fetched by the workflow from a server that cuts off, and then holds the patients."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.unit.test_fetching import Server
from workflow.liverseg.phantoms import write_phantom
from workflow.liverseg.settings import read_config


def archive_of(folder: Path) -> bytes:
    settings = read_config(ROOT / "config/config.yaml")["phantoms"]
    small = {**settings, "in_plane_pixels": [40, 48], "slices": [18, 20]}
    for number in (1, 2):
        name = f"liver_{number}.nii.gz"
        write_phantom(folder / "imagesTr" / name, folder / "labelsTr" / name,
                      f"phantom-0{number}", small)  # fmt: skip
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.add(folder, "Task03_Tiny")
    return raw.getvalue()


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    return subprocess.run(
        [*command, "--directory", str(folder), *arguments],
        capture_output=True, text=True, env={**os.environ}, check=False,
    )  # fmt: skip


@pytest.fixture
def server(tmp_path: Path):
    running = Server(archive_of(tmp_path / "made"))
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def test_a_dataset_is_fetched_and_then_read(server: Server, tmp_path: Path):
    server.cut_after = [1000]
    overlay = tmp_path / "tiny.yaml"
    md5 = hashlib.md5(server.content).hexdigest()
    dataset = {"name": "Task03_Tiny", "url": server.url("/moved"), "md5": md5}
    overlay.write_text(
        yaml.safe_dump({"patients": "results/datasets/Task03_Tiny", "dataset": dataset})
    )
    work = tmp_path / "work"
    work.mkdir()
    fetched = run(work, "--configfile", str(overlay), "--", "fetch_dataset")
    assert fetched.returncode == 0, fetched.stderr
    assert "bytes=1000-" in server.requests
    read = run(work, "--configfile", str(overlay), "--", "results/cohort/cohort.tsv")
    assert read.returncode == 0, read.stderr
    table = (work / "results/cohort/cohort.tsv").read_text()
    assert "liver_1" in table and "liver_2" in table
