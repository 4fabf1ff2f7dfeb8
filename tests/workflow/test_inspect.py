"""`snakemake inspect` tells of any folder, also one of which nobody can be used."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.intake_cases import body, nifti, write
from tests.workflow.houses import ROOT, TINY
from workflow.liverseg.files import read_json


def run(
    directory: Path, *targets: str, settings: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the folder `data` of a directory."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--directory", str(directory), "--configfile", str(TINY)]
    command += ["--config", "patients=data", *settings, "--", *targets]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_folder_without_a_sound_ct_gets_its_tables_and_page_and_trains_nobody(tmp_path: Path):
    (tmp_path / "data/one").mkdir(parents=True)
    for name in ("ct.nii.gz", "label.nii.gz"):
        (tmp_path / "data/one" / name).touch()
    inspected = run(tmp_path, "inspect")
    assert inspected.returncode == 0, inspected.stderr
    assert "1 patients inspected: 1 rejected" in inspected.stdout
    cohort = tmp_path / "results/cohort"
    assert "an empty file" in (cohort / "rejected.tsv").read_text()
    assert "an empty file" in (cohort / "index.html").read_text()
    trained = run(tmp_path, "all")
    assert trained.returncode != 0
    assert "No patient was admitted" in trained.stderr
    assert not (tmp_path / "results/split").is_dir()


def test_folder_without_a_label_is_inspected_and_training_refused_before_it_begins(tmp_path: Path):
    write(tmp_path / "data/one.nii.gz", nifti(body(seed=1), np.eye(4)))
    for target in ("predict", "all"):
        refused = run(tmp_path, target)
        assert refused.returncode != 0
        assert "1 patients, none of whom has a label" in refused.stderr
        assert "released_model=FOLDER" in refused.stderr
        assert not (tmp_path / "results").exists()
    inspected = run(tmp_path, "inspect")
    assert inspected.returncode == 0, inspected.stderr
    assert "1 patients inspected" in inspected.stdout


def test_manifest_stays_true_when_a_spacing_is_given_and_no_name_is_told(tmp_path: Path):
    for name, seed in (("DOE_JANE_19600101", 1), ("UKE-004", 2)):
        write(tmp_path / f"data/{name}.nii.gz", nifti(body(seed=seed), np.eye(4)))
    first = run(tmp_path, "inspect", "write_manifest")
    assert first.returncode == 0, first.stderr
    cohort = tmp_path / "results/cohort"
    (cohort / "manifest.tsv").rename(tmp_path / "manifest.tsv")
    hidden = next(path.stem for path in (cohort / "inspection").glob("patient-*.json"))
    (tmp_path / "spacings.tsv").write_text(f"patient\tx\ty\tz\n{hidden}\t8\t8\t8\n")
    (tmp_path / "data/UKE-004.nii.gz").unlink()
    inspection = "inspection={manifest: manifest.tsv, spacing_table: spacings.tsv}"
    second = run(tmp_path, "inspect", settings=[inspection])
    assert second.returncode == 0, second.stderr
    assert read_json(cohort / f"inspection/{hidden}.json")["verdict"] == "repaired"
    assert "UKE-004\tmanifest_patient_gone" in (cohort / "remarks.tsv").read_text()
    told = first.stdout + first.stderr + second.stdout + second.stderr
    for folder in (tmp_path / "results", tmp_path / ".snakemake/log"):
        files = [path for path in folder.rglob("*") if path.is_file()]
        told += "".join(f"{path} {path.read_bytes()!r}" for path in files)
    assert "names_hidden" in told
    assert not any(word in told for word in ("DOE", "JANE", "19600101"))
