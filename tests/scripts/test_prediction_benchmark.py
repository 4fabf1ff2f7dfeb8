"""The prediction benchmark's contenders find the same organ on a tiny CT."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from tests.tiny_training import resume_root, tiny_files, tiny_settings
from workflow.liverseg.images import write_image
from workflow.liverseg.training_run import run_training


def test_every_contender_finds_the_organ(tmp_path: Path) -> None:
    files = tiny_files(tmp_path)
    settings = tiny_settings(epochs=12)
    settings["volumes"] |= {"in_plane": {"mode": "keep"}}
    run_training(files, name="tiny", settings=settings, resume_root=resume_root(files))
    hu = np.full((24, 24, 20), -100, np.int16)
    hu[6:16, 6:16, 6:14] = 150
    ct = tmp_path / "ct.nii.gz"
    write_image(ct, hu, np.diag([3.0, 3.0, 3.0, 1.0]))
    command = [sys.executable, "benchmarks/prediction.py", "--model", str(files.weights.parent)]
    command += ["--ct", str(ct), "--threads", "1", "--only", "all", "--work", str(tmp_path / "w")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = {row.split()[0]: row.split()[1:] for row in done.stdout.splitlines()[1:]}
    assert set(rows) == {"liverseg", "at_once", "worst", "monai"}
    dice = {name: float(row[3]) for name, row in rows.items()}
    assert dice["at_once"] == 1
    assert dice["monai"] > 0.9  # of a weak model, in other windows at the border
    assert dice["worst"] > 0.9
