"""`snakemake inspect` tells of any folder, also one of which nobody can be used."""

import os
import subprocess
import sys
from pathlib import Path

from tests.workflow.houses import ROOT, TINY


def test_folder_without_a_sound_ct_gets_its_tables_and_page_and_trains_nobody(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/one.nii.gz").touch()

    def run(target: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
        command += ["--directory", str(tmp_path), "--configfile", str(TINY)]
        command += ["--config", "patients=data", "--", target]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    inspected = run("inspect")
    assert inspected.returncode == 0, inspected.stderr
    assert "1 patients inspected: 1 rejected" in inspected.stdout
    cohort = tmp_path / "results/cohort"
    assert "an empty file" in (cohort / "rejected.tsv").read_text()
    assert "an empty file" in (cohort / "index.html").read_text()
    trained = run("all")
    assert trained.returncode != 0
    assert "No patient was admitted" in trained.stderr
    assert not (tmp_path / "results/split").is_dir()
