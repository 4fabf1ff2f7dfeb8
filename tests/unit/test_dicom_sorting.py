"""A pile of studies becomes one folder a study, pseudonymised, with a table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.dicom_files import hu_volume, write_other, write_rtstruct, write_series
from workflow.liverseg.dicom import import_ct
from workflow.liverseg.dicom_sorting import sort_studies
from workflow.liverseg.errors import LiversegError

HU = hu_volume()


def write_study(folder: Path, person: str, prefix: str) -> None:
    study = generate_uid()

    def change(dataset: Dataset, k: int) -> Dataset:
        dataset.PatientID, dataset.StudyInstanceUID = person, study
        return dataset

    write_series(folder, HU, change=change, prefix=f"{person}-{prefix}")


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_studies_are_told_apart_and_persons_kept_together(tmp_path: Path):
    source, target = tmp_path / "export", tmp_path / "sorted"
    write_study(source, "Meier", "a")
    write_study(source / "deep", "Meier", "b")
    write_study(source, "Schulz", "a")
    write_other(source / "dose.dcm")
    rows = rows_of(sort_studies(source, target))
    assert len({row["patient"] for row in rows}) == 3
    assert len({row["group"] for row in rows}) == 2
    for row in rows:
        files = sorted((target / row["image"]).iterdir())
        assert np.array_equal(import_ct(files).image.data, HU)


def test_without_an_id_name_and_birth_tell_the_person(tmp_path: Path):
    for name, born, place in (
        ("Meier^Eva", "19600101", "a"),
        ("MEIER^Eva", "19600101", "b"),
        ("Meier^Eva", "19700101", "c"),
        ("", "", "d"),
        ("", "", "e"),
    ):
        study = generate_uid()

        def change(dataset: Dataset, k: int, tags=(name, born, study)) -> Dataset:
            dataset.PatientName, dataset.PatientBirthDate, dataset.StudyInstanceUID = tags
            dataset.PatientID = "" if tags[0] else "ANONYMOUS"
            return dataset

        write_series(tmp_path / "export" / place, HU, change=change)
    groups = [row["group"] for row in rows_of(sort_studies(tmp_path / "export", tmp_path / "s"))]
    assert len(groups) == 5
    assert len(set(groups)) == 4


def test_no_name_of_a_person_is_left_and_names_stay(tmp_path: Path):
    write_study(tmp_path / "export", "Meier", "a")
    first = sort_studies(tmp_path / "export", tmp_path / "sorted").read_text()
    names = " ".join(path.name for path in (tmp_path / "sorted").rglob("*"))
    assert "Meier" not in first + names
    assert sort_studies(tmp_path / "export", tmp_path / "sorted").read_text() == first
    elsewhere = sort_studies(tmp_path / "export", tmp_path / "other").read_text()
    assert elsewhere != first


def test_the_only_label_of_a_study_is_named_and_several_are_not(tmp_path: Path):
    source = tmp_path / "export"
    write_series(source, HU, change=lambda d, k: _study(d))
    for number, expected in ((1, True), (2, False)):
        path = write_rtstruct(source / f"rt{number}.dcm", {"liver": []})
        _relabel(path)
        (row,) = rows_of(sort_studies(source, tmp_path / "sorted"))
        assert bool(row["label"]) is expected


def _study(dataset: Dataset) -> Dataset:
    dataset.StudyInstanceUID = "1.2.3"
    return dataset


def _relabel(path: Path) -> None:
    import pydicom

    dataset = pydicom.dcmread(path)
    _study(dataset).save_as(path)


def test_a_folder_without_a_ct_is_an_error(tmp_path: Path):
    write_other(tmp_path / "dose.dcm")
    with pytest.raises(LiversegError, match="no CT series"):
        sort_studies(tmp_path, tmp_path / "sorted")
