"""Whose DICOM files are is known again in another folder, and nothing of it can be read."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.dicom_files import hu_volume, write_series
from tests.unit.test_admission import grouped, record
from workflow.liverseg.admission import Admission, admit
from workflow.liverseg.dicom_persons import Identity, identity_in, is_placeholder
from workflow.liverseg.files import read_json
from workflow.liverseg.imports import import_image
from workflow.liverseg.pseudonyms import SECRET

HU = hu_volume()
ERIKA = {"PatientID": "4711", "PatientName": "Meier^Eva", "PatientBirthDate": "19600101"}
UNNUMBERED = {**ERIKA, "PatientID": ""}


def import_of(folder: Path, name: str, tags: Mapping[str, str], *, gap: bool = False) -> dict:
    """The record of the import of a series with these tags, under the secret of `folder`."""

    def change(dataset, k: int):
        for tag, value in tags.items():
            setattr(dataset, tag, value)
        return None if gap and k == 2 else dataset

    files = write_series(folder / name, HU, change=change)
    path = folder / f"{name}.json"
    import_image(files, [], folder / f"{name}.nii.gz", path, folder / SECRET)
    return read_json(path)


def admission(folder: Path, *tags: Mapping[str, str]) -> Admission:
    """Admit patients a, b, c … whose series have these tags, each a group of its own."""
    records = []
    for name, one in zip("abcdef", tags, strict=False):
        records.append({**record(name), "imported": [import_of(folder, name, one)]})
    return admit(records, people=grouped(**{one["patient"]: one["patient"] for one in records}))


def groups(found: Admission) -> str:
    return "".join(found.cohort["group"])


def remarks(found: Admission) -> list[tuple[str, str]]:
    return list(zip(found.remarks["patient"], found.remarks["code"], strict=True))


def test_folders_of_one_person_share_a_group_and_that_is_said(tmp_path: Path):
    found = admission(tmp_path, ERIKA, {**ERIKA, "PatientID": "4712"}, ERIKA)
    assert groups(found) == "aba"
    assert remarks(found) == [("a", "person_told"), ("c", "person_told")]
    assert "the same person as c" in found.remarks["found"][0]


def test_one_group_of_the_table_needs_no_remark(tmp_path: Path):
    records = [
        {**record(name), "imported": [import_of(tmp_path, name, ERIKA)]} for name in ("a", "b")
    ]
    found = admit(records, people=grouped(a="a", b="a"))
    assert (groups(found), remarks(found)) == ("aa", [])


def test_without_a_number_name_and_birth_tell_the_person(tmp_path: Path):
    other = {**UNNUMBERED, "PatientBirthDate": "19700101"}
    assert groups(admission(tmp_path, ERIKA, UNNUMBERED, other)) == "aac"


def test_one_number_under_two_names_joins_and_the_doubt_is_said(tmp_path: Path):
    found = admission(tmp_path, ERIKA, {**ERIKA, "PatientName": "Kunz^Ida"})
    assert groups(found) == "aa"
    assert "though name or date of birth differ" in found.remarks["found"][0]


@pytest.mark.parametrize("number", ["", "ANONYMOUS", "0", "000-000", "n/a", "XXXX"])
def test_what_stands_for_any_person_joins_nobody_and_that_is_said(tmp_path: Path, number: str):
    nobody = {"PatientID": number, "PatientName": "Anonymous", "PatientBirthDate": "19000101"}
    found = admission(tmp_path, nobody, nobody)
    assert groups(found) == "ab"
    assert remarks(found) == [("-", "persons_unsaid")]
    assert "2 patients" in found.remarks["found"][0]


@pytest.mark.parametrize("number", ["4711", "1", "11", "ANON0001", "TCGA-DD-A1EG", "P-0"])
def test_numbers_are_no_placeholders(number: str):
    assert not is_placeholder(number)


def test_a_refused_series_says_whose_it_is(tmp_path: Path):
    refused = import_of(tmp_path, "gap", ERIKA, gap=True)
    assert refused["verdict"] == "rejected"
    assert refused["person"] == import_of(tmp_path, "whole", ERIKA)["person"] != {}


def test_files_that_contradict_each_other_say_nothing():
    assert identity_in([Identity("a", "x"), Identity("b", "x")]) == Identity("", "x")


def test_only_the_secret_leads_to_the_person(tmp_path: Path):
    found: list[Any] = []
    for name in ("here", "there"):
        found.append(import_of(tmp_path / name, "a", ERIKA)["person"])
        text = (tmp_path / name / "a.json").read_text()
        plain = [*ERIKA.values(), "meier^eva 19600101"]
        digests = [hashlib.sha256(one.encode()).hexdigest()[:10] for one in plain]
        assert not [one for one in (*plain, *digests) if one in text]
    assert not set(found[0].values()) & set(found[1].values())
