"""A folder of DICOM patients goes through the workflow up to the table of the admitted."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from tests.conftest import ROOT
from tests.dicom_files import PERSON, write_seg, write_series
from workflow.liverseg.files import read_json
from workflow.liverseg.phantoms import make_phantom
from workflow.liverseg.settings import read_config

ORIGIN = (-60.0, -60.0, 10.0)


def phantom() -> tuple[np.ndarray, np.ndarray]:
    settings = read_config(ROOT / "config/config.yaml")["phantoms"]
    small = {**settings, "in_plane_pixels": [48, 48], "slices": [20, 20]}
    made = make_phantom("phantom-01", small)
    # LPS, as stored: columns grow to the left, rows to the back.
    return made.hu, made.label > 0


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, "--directory", str(folder), *arguments],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8") as stream:
        return {row["patient"]: row for row in csv.DictReader(stream, delimiter="\t")}


def test_dicom_patients_are_imported_and_a_broken_series_is_rejected(tmp_path: Path):
    hu, liver = phantom()
    data, series = tmp_path / "data", generate_uid()
    write_series(data / "whole", hu, series=series, origin=ORIGIN, step=(0, 0, 9.5),
                 change=_coarse)  # fmt: skip
    write_seg(data / "whole/seg.dcm", {"Liver": liver}, series=series, origin=ORIGIN,
              step_mm=9.5, spacing=(7.0, 7.0))  # fmt: skip
    write_series(data / "gap", hu, change=lambda d, k: None if k in (4, 5) else d)
    done = run(tmp_path, "--config", "patients=data", "--", "results/cohort/cohort.tsv")
    assert done.returncode == 0, done.stderr
    admitted = rows_of(tmp_path / "results/cohort/cohort.tsv")
    rejected = rows_of(tmp_path / "results/cohort/rejected.tsv")
    assert set(admitted) == {"whole"} and admitted["whole"]["labelled"] == "yes"
    assert rejected["gap"]["code"] == "dicom_gap" and "instances 4, 7" in rejected["gap"]["found"]
    remarks = rows_of(tmp_path / "results/cohort/remarks.tsv")
    assert {name: row["code"] for name, row in remarks.items()} == {
        "gap": "person_told",
        "whole": "person_told",
    }
    record = read_json(tmp_path / "results/cohort/inspection/whole.json")
    assert record["imported"][0]["series"]["slices"] == 20
    for path in (tmp_path / "results").rglob("*"):
        assert not path.is_file() or PERSON.encode() not in path.read_bytes(), path


def _coarse(dataset, k):  # type: ignore[no-untyped-def]
    dataset.PixelSpacing = [7.0, 7.0]
    return dataset
