"""The script turns the cohort's table into the split's."""

from pathlib import Path

import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_table
from workflow.scripts.split_patients import main

SETTINGS = {
    "split": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 0},
    "cross_validation": {"folds": None},
    "inspection": {"on_reject": "quarantine", "max_rejected": None},
}
REJECTED = "patient\tcode\tpart\tfound\texpected\tremedy"
HEADING = "patient\tlabelled\tgroup\tsplit\tvoxel_digest"


def rejected(folder: Path, *rows: str) -> Path:
    (folder / "rejected.tsv").write_text("\n".join([REJECTED, *rows]) + "\n")
    return folder / "rejected.tsv"


def split(folder: Path, *rows: str) -> dict[str, str]:
    cohort = folder / "cohort.tsv"
    cohort.write_text("\n".join([HEADING, *rows]) + "\n")
    main(cohort, rejected(folder), folder / "split.tsv", SETTINGS)
    table = read_table(folder / "split.tsv")
    assert list(table.columns) == ["patient", "group", "split"]
    return dict(zip(table["patient"], table["split"], strict=True))


def test_every_admitted_patient_gets_a_place(tmp_path):
    rows = [f"{n:03d}\tyes\t{n:03d}\t\td{n}" for n in range(10)] + ["q\tno\tq\t\tdq"]
    places = split(tmp_path, *rows)
    assert places["q"] == "predict"
    assert {places[f"{n:03d}"] for n in range(10)} == {"train", "validation", "test"}


def test_empty_test_split_by_the_column_is_said_in_the_log(tmp_path, capsys):
    rows = ["a\tyes\ta\ttrain\td1", "b\tyes\tb\tvalidation\td2"]
    assert split(tmp_path, *rows) == {"a": "train", "b": "validation"}
    assert "no score" in capsys.readouterr().out


def test_folds_become_columns(tmp_path):
    cohort = tmp_path / "cohort.tsv"
    rows = [f"{n:03d}\tyes\t{n:03d}\t\td{n}" for n in range(10)] + ["q\tno\tq\t\tdq"]
    cohort.write_text("\n".join([HEADING, *rows]) + "\n")
    settings = {**SETTINGS, "cross_validation": {"folds": 3}}
    main(cohort, rejected(tmp_path), tmp_path / "split.tsv", settings)
    table = read_table(tmp_path / "split.tsv").astype(object).fillna("")
    assert list(table.columns[3:]) == ["fold", "fold-0", "fold-1", "fold-2"]
    assert set(table[table["patient"] == "q"].iloc[0, 2:]) == {"predict", ""}


@pytest.mark.parametrize("limit", [{"on_reject": "stop"}, {"max_rejected": 0}])
def test_more_rejected_than_allowed_ends_the_run_before_anybody_is_split(tmp_path, limit):
    cohort = tmp_path / "cohort.tsv"
    cohort.write_text("\n".join([HEADING, "a\tyes\ta\t\td"]) + "\n")
    table = rejected(tmp_path, "b\tnot_nifti\tct\tan empty file\tan image\tfetch it")
    settings = {**SETTINGS, "inspection": {**SETTINGS["inspection"], **limit}}
    with pytest.raises(LiversegError, match=rf"{next(iter(limit))}(.|\n)*an empty file — fetch it"):
        main(cohort, table, tmp_path / "split.tsv", settings)
    assert not (tmp_path / "split.tsv").exists()


def test_labelled_patient_who_is_only_predicted_is_named_in_the_log(tmp_path, capsys):
    rows = [f"{n:03d}\tyes\t{n:03d}\t\td{n}" for n in range(10)]
    split(tmp_path, *rows, "a\tyes\tg\t\tda", "b\tyes\tg\tpredict\tdb")
    assert "a has a label and is only predicted" in capsys.readouterr().out
