"""The script turns the cohort's table into the split's."""

from pathlib import Path

from workflow.liverseg.files import read_table
from workflow.scripts.split_patients import main

SETTINGS = {
    "split": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 0},
    "cross_validation": {"folds": None},
}
HEADING = "patient\tlabelled\tgroup\tsplit\tvoxel_digest"


def split(folder: Path, *rows: str) -> dict[str, str]:
    cohort = folder / "cohort.tsv"
    cohort.write_text("\n".join([HEADING, *rows]) + "\n")
    main(cohort, folder / "split.tsv", SETTINGS)
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
    main(cohort, tmp_path / "split.tsv", {**SETTINGS, "cross_validation": {"folds": 3}})
    table = read_table(tmp_path / "split.tsv").astype(object).fillna("")
    assert list(table.columns[3:]) == ["fold", "fold-0", "fold-1", "fold-2"]
    assert set(table[table["patient"] == "q"].iloc[0, 2:]) == {"predict", ""}
