"""The score scripts, from files to files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow.liverseg.files import write_json
from workflow.liverseg.images import write_image
from workflow.scripts import compare_models, score_patient, summarise_scores

SETTINGS = {
    "labels": [{"name": "liver", "values": "positive"}],
    "scores": {
        "surface_tolerance_mm": 1.0, "confidence": 0.95, "bootstrap_samples": 200, "seed": 0,
    },
    "repeated": {},
}  # fmt: skip
AFFINE = np.diag([-1.0, -1.0, 2.0, 1.0])


def score(folder: Path, patient: str, shift: int, model: str = "unet") -> Path:
    mask, label = np.zeros((2, 12, 12, 8), dtype=np.uint8)
    label[2:8, 2:8, 2:6] = 1
    mask[2 + shift : 8 + shift, 2:8, 2:6] = 1
    write_image(folder / "mask.nii.gz", mask, AFFINE)
    write_image(folder / "label.nii.gz", label.astype(np.int16), AFFINE)
    out = folder / model / f"{patient}.json"
    score_patient.main(
        folder / "mask.nii.gz", folder / "label.nii.gz", out, patient, model, SETTINGS
    )
    return out


def test_a_perfect_mask_scores_one(tmp_path: Path):
    content = json.loads(score(tmp_path, "p1", 0).read_text())
    assert (content["patient"], content["model"]) == ("p1", "unet")
    assert content["regions"]["liver"]["dice"] == 1.0
    assert content["regions"]["liver"]["predicted_ml"] == pytest.approx(0.288)


def test_scores_are_summed_up_in_a_table_and_a_summary(tmp_path: Path):
    scores = [score(tmp_path, "p2", 3), score(tmp_path, "p1", 0)]
    table, summary = tmp_path / "summary.csv", tmp_path / "summary.json"
    summarise_scores.main(scores, [], table, summary, "unet", SETTINGS)
    assert pd.read_csv(table)["patient"].tolist() == ["p1", "p2"]
    liver = json.loads(summary.read_text())["regions"]["liver"]
    assert liver["metrics"]["dice"]["mean"] == pytest.approx(0.75)
    assert liver["worst"]["patient"] == "p2"


def test_millimetres_of_a_lost_spacing_are_marked(tmp_path: Path):
    scores = [score(tmp_path, "p1", 0), score(tmp_path, "p2", 3)]
    for patient, code in (("p1", "hu_clipped"), ("p2", "spacing_placeholder")):
        found = {"patient": patient, "findings": [{"code": code, "part": "ct"}]}
        write_json(tmp_path / f"inspection/{patient}.json", found)
    inspections = [tmp_path / f"inspection/{patient}.json" for patient in ("p1", "p2")]
    table, summary = tmp_path / "summary.csv", tmp_path / "summary.json"
    summarise_scores.main(scores, inspections, table, summary, "unet", SETTINGS)
    marked = pd.read_csv(table, keep_default_na=False)["grid_doubts"].tolist()
    assert marked == ["", "spacing_placeholder"]
    assert json.loads(summary.read_text())["grid_doubts"] == ["p2"]


def test_two_models_are_compared(tmp_path: Path):
    scores = [score(tmp_path, f"p{n}", n, "first") for n in range(3)]
    scores += [score(tmp_path, f"p{n}", n + 1, "second") for n in range(3)]
    compare_models.main(scores, tmp_path / "comparison.json", SETTINGS)
    (pair,) = json.loads((tmp_path / "comparison.json").read_text())["pairs"]
    assert pair["metrics"]["dice"]["mean_difference"] == pytest.approx(1 / 6)


def test_one_model_alone_is_compared_to_none(tmp_path: Path):
    compare_models.main([score(tmp_path, "p1", 0)], tmp_path / "comparison.json", SETTINGS)
    assert json.loads((tmp_path / "comparison.json").read_text())["pairs"] == []
