"""The model's card for readers says what the run's records say, and nothing that they do not."""

import re

import yaml

from tests.conftest import ROOT
from tests.unit.test_summaries import scored
from workflow.liverseg.model_card import model_card
from workflow.liverseg.settings import check, read_config
from workflow.liverseg.summaries import score_table, summarise

CONFIG = check(read_config(ROOT / "config/config.yaml"))
SECTIONS = ("inspection", "split", "cross_validation", "filter", "scores")
SETTINGS = {name: CONFIG[name] for name in SECTIONS} | {"dataset": None, "synthetic": False}
UNFILLED = "*authors: to be filled in*"


def record(*, validated: tuple[str, ...] = ("v1",), **others: object) -> dict:
    """model.json of a model that trained on t1 and t2."""
    splits = {"t1": "train", "t2": "train", **dict.fromkeys(validated, "validation")}
    content = {
        "name": "small",
        "architecture": {"network": "unet3d", "width": 4},
        "labels": [{"name": "liver", "values": "positive"}],
        "preprocessing": CONFIG["volumes"],
        "chunk_slices": 16,
        "patch": [112, 96, 16],
        "training": CONFIG["training"],
        "data": {name: {"digest": "0", "split": split} for name, split in splits.items()},
        "metrics": {"best_epoch": 10, "validation_dice": 0.9123, "rollbacks": 0},
        "versions": {"torch": "2.13.0", "monai": "1.6.1"},
        "device": "cpu, float32",
        "threads": 2,
        "notes": [],
    }
    return content | others


def summary_of(**dice: float) -> dict:
    table = score_table([scored(patient, value) for patient, value in dice.items()])
    return summarise(table, samples=200, confidence=0.95, seed=0)


def card(parts: dict | None = None, settings: dict | None = None, **dice: float) -> str:
    summary = summary_of(**dice) if dice else None
    return model_card(parts or {"small": record()}, summary, sorted(dice), settings or SETTINGS)


def metadata(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def answers(text: str) -> dict[int, str]:
    """CLAIM's items in the card, by number."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (.+) \|$", text.split("## CLAIM")[1], re.M)
    return {int(number): answer for number, answer in rows}


def test_what_the_parts_note_is_said_once():
    mixed = "trained on several kinds of machine"
    parts = {"fold-0": record(), "fold-1": record(notes=[mixed]), "fold-2": record(notes=[mixed])}
    assert card(parts).count(f"- **Note:** {mixed}\n") == 1
    assert "**Note:**" not in card()


def test_the_sections_are_those_of_hugging_face_after_metadata_that_parse():
    text = card(s1=0.9, s2=0.8)
    sections = re.findall(r"^## (.+)$", text, re.M)
    assert sections == [
        "Model details", "Intended use", "Training data", "Training procedure", "Evaluation",
        "Limitations", "How to use", "CLAIM",
    ]  # fmt: skip
    assert metadata(text)["tags"] == ["medical", "ct", "segmentation", "liver"]


def test_figures_follow_the_records():
    text = card({"small": record(patch=[64, 64, 16])}, s1=0.9, s2=0.8)
    assert "| small | 2 patients | 1 patients | 10 | 0.9123 |" in text
    assert "64×64×16 voxels" in text
    assert "| liver | dice | 2 | 0.85 |" in text
    assert "torch 2.13.0, monai 1.6.1" in text
    result = metadata(text)["model-index"][0]["results"][0]
    assert result["metrics"] == [{"type": "dice", "name": "Dice, liver", "value": 0.85}]
    assert result["dataset"]["name"].startswith("2 ")


def test_figures_of_patients_who_trained_are_called_too_good_and_stay_out_of_the_metadata():
    text = card(t1=0.99, s1=0.8)
    assert "**1 of them had a part in the training" in text
    assert "model-index" not in metadata(text)


def test_a_patient_whom_one_fold_left_out_is_unseen():
    folds = {"fold-0": record(), "fold-1": record(data={"s1": {"digest": "0", "split": "train"}})}
    text = card(folds, t1=0.9, s1=0.8)
    assert "had a part in the training" not in text
    assert "each by the fold that has not seen it" in text
    assert "fold-0: 2 trained, 1 validated; fold-1: 1 trained, 0 validated" in answers(text)[33]
    assert answers(text)[27] == "mean probability of 2 folds"


def test_without_scores_none_are_told():
    text = card()
    assert "has not been scored" in text
    assert "model-index" not in metadata(text)
    assert answers(text)[28] == answers(text)[37] == UNFILLED


def test_every_claim_item_stands_once_answered_or_left_to_the_authors():
    found = answers(card(s1=0.9, s2=0.8))
    assert list(found) == list(range(1, 43))
    # What no record of a run can know: design, annotators, registration, funding.
    assert {5, 16, 18, 30, 32, 34, 40, 42} <= {n for n, told in found.items() if told == UNFILLED}
    assert found[20] == "train 70 %, validation 15 %, test 15 %; seed 0"
    assert found[37] == "liver: least Dice 0.8, 0 empty masks"


def test_the_source_of_the_data_is_told_only_where_it_is_known():
    assert answers(card())[7] == UNFILLED
    assert answers(card(settings=SETTINGS | {"dataset": "Task03_Liver"}))[7] == "Task03_Liver"
    demo = card(settings=SETTINGS | {"synthetic": True})
    assert answers(demo)[7] == "synthetic phantoms"
    assert "on no patient" in demo


def test_a_path_of_the_user_does_not_reach_the_card():
    training = CONFIG["training"] | {"warm_start": "/home/janedoe/model.safetensors"}
    text = card({"small": record(training=training)})
    assert "those of another model that fit" in text
    assert "janedoe" not in text


def test_no_patient_is_named():
    text = card(patientx=0.2, patienty=0.9)
    assert "patientx" not in text


def test_spacing_as_scanned_and_augmentation_in_use_are_told():
    volumes = CONFIG["volumes"] | {"spacing_mm": [1.5, 1.5, None]}
    augmentation = CONFIG["training"]["augmentation"] | {"scale": [1, 1], "flip": [0, 0.5, 0]}
    training = CONFIG["training"] | {"augmentation": augmentation}
    text = card({"small": record(preprocessing=volumes, training=training)})
    assert "voxels 1.5 × 1.5 × as scanned mm" in text
    told = re.search(r"\*\*Augmentation:\*\* (.+)", text)[1].split(", ")
    assert "flip" in told and "rotation degrees" in told and "scale" not in told


def test_a_plane_that_is_kept_has_no_size_to_tell():
    kept = record(preprocessing={**CONFIG["volumes"], "in_plane": {"mode": "keep"}})
    assert "in plane keep;" in card({"small": kept}, s1=0.9)
