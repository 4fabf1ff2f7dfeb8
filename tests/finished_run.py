"""A finished run, as Snakemake and the jobs themselves record it, without running anything."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from workflow.liverseg.files import sha256, write_json
from workflow.liverseg.job_notes import note_job

CT = "archive/DOE^JANE/ct.nii.gz"
INSPECTION = "results/cohort/inspection/p1.json"
MASK = "results/predictions/unet/p1/mask.nii.gz"
SETTINGS = json.dumps({"prediction": {"overlap": 0.5}})
CODE = ["models:0123456789ab"]


def record_job(rule: str, read: Sequence[str], made: Sequence[str], *, noted: bool = True) -> None:
    """Record a job in the working directory; its files are there already. `noted`: by itself."""
    if noted:
        note_job(rule=rule, started=1.7e9, settings=SETTINGS, code=CODE, outputs=made)
    snakemakes = {
        "rule": rule,
        "input": list(read),
        "params": [repr('{"ct": "of a manifest"}'), repr(SETTINGS), repr(CODE)],
        "starttime": 1.7e9,
        "endtime": 1.7e9 + 60,
        "input_checksums": {path: f"sha256:{sha256(Path(path))}" for path in read},
    }
    for name in made:
        key = base64.urlsafe_b64encode(name.encode()).decode()
        write_json(Path(".snakemake/metadata") / key, snakemakes)


def write(path: str, text: str = "") -> str:
    """Write a file, its path as its content where no text is given."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text or path)
    return path


def finish() -> None:
    """Record a run of one patient in the working directory: an inspection and a prediction."""
    ct = write(CT)
    write(INSPECTION, json.dumps({"sha256": {"ct": sha256(Path(ct))}}))
    record_job("inspect_patient", [ct], [INSPECTION])
    record_job("admit_cohort", [INSPECTION], [write("results/cohort/cohort.tsv", "patient\np1\n")])
    card = write("results/models/unet/model.json")
    record_job("predict_patient", [ct, card], [write(MASK), write("results/p/prediction.json")])
