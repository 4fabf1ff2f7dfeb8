"""The script of export_bundle writes what the rule declares, of a model that was trained."""

import re
from pathlib import Path

from tests.tiny_training import tiny_files, tiny_settings
from tests.unit.test_bundle import PREDICTION, files_in
from workflow.liverseg.training_run import run_training
from workflow.scripts.export_bundle import main

SETTINGS = {"prediction": PREDICTION}
RULES = Path(__file__).parents[2] / "workflow/rules/train.smk"


def test_it_writes_the_files_that_the_rule_declares(tmp_path):
    files = tiny_files(tmp_path)
    settings = tiny_settings(epochs=1, patch=[16, 16, 8])
    run_training(files, name="tiny", settings=settings, resume_root=tmp_path / ".resume")
    main(files.weights, files.card, **vars(files_in(tmp_path / "bundle")), settings=SETTINGS)
    written = {path for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    declared = re.findall(r"\{part\}/(bundle/[^\"]+)\"", RULES.read_text())
    assert written == {tmp_path / path for path in declared}
