"""The script writes the tables of admitted and rejected patients, or stops when nobody is left."""

import json

import pytest

from tests.intake_cases import SETTINGS, case, write
from workflow.liverseg.admission import check_admission
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import read_table
from workflow.scripts import admit_cohort, inspect_patient

LABELS = [{"name": "liver", "values": "positive"}]


def inspected(folder, *names, damaged=()):
    records = []
    for name in names:
        ct, label = case(folder, name)
        if name in damaged:
            write(ct, b"")
        records.append(folder / f"{name}.json")
        settings = {"inspection": SETTINGS, "labels": LABELS}
        inspect_patient.main(ct, label, records[-1], name, settings)
    return records


def admit(folder, records, refused="[]"):
    people = json.dumps({path.stem: {"group": "g", "split": None} for path in records})
    tables = [folder / f"{name}.tsv" for name in ("cohort", "rejected", "remarks")]
    admit_cohort.main(records, *tables, people, refused)
    return [read_table(table) for table in tables]


def test_damaged_and_doubled_patients_are_listed_the_first_is_admitted(tmp_path):
    records = inspected(tmp_path, "a", "b", "c", damaged={"c"})
    cohort, rejected, _ = admit(tmp_path, records)
    assert list(cohort["patient"]) == ["a"]
    assert dict(zip(rejected["patient"], rejected["code"], strict=True)) == {
        "b": "duplicate_scan",
        "c": "file_truncated",
    }
    assert rejected["remedy"].notna().all()


def test_the_log_lists_everyone_and_the_tables_are_there_where_nobody_is_left(tmp_path, capsys):
    refused = [
        {
            "patient": f"p{number:02d}",
            "code": "file_missing",
            "verdict": "reject",
            "part": "ct",
            "found": "no file",
            "expected": "a CT",
            "remedy": f"fetch {number}",
        }
        for number in range(30)
    ]
    cohort, rejected, _ = admit(
        tmp_path, inspected(tmp_path, "c", damaged={"c"}), json.dumps(refused)
    )
    logged = capsys.readouterr().out
    assert all(f"p{number:02d} (ct): no file — fetch {number}\n" in logged for number in range(30))
    assert (len(cohort), len(rejected)) == (0, 31)
    with pytest.raises(LiversegError, match=r"No patient was admitted(.|\n)*11 more") as told:
        check_admission(cohort, rejected, SETTINGS)
    assert "p29" not in str(told.value) and "results/cohort/rejected.tsv" in str(told.value)
