"""What was changed by hand, or replaced since the run read it, is found and no name is told."""

import os
from pathlib import Path

import pytest

from tests.finished_run import CT, INSPECTION, MASK, finish, record_job, write
from tests.unit.test_provenance import CRATE, OWN
from workflow.liverseg.verification import main
from workflow.scripts.record_provenance import main as record


@pytest.fixture(autouse=True)
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded run in the working directory."""
    monkeypatch.chdir(tmp_path)
    finish()
    record_all()


def record_all() -> None:
    """What the last job of a run does."""
    record(CRATE, **OWN, settings={})
    record_job("record_provenance", [], [str(CRATE), *map(str, OWN.values())])


def verified(capsys: pytest.CaptureFixture) -> tuple[int, str]:
    status = main()
    return status, capsys.readouterr().out


def test_a_run_that_nobody_touched_is_as_recorded(capsys: pytest.CaptureFixture) -> None:
    os.utime(MASK, (1.6e9, 1.6e9))
    os.utime(CT)
    assert verified(capsys) == (0, "all as recorded\n")


def test_what_was_changed_or_removed_is_named(capsys: pytest.CaptureFixture) -> None:
    write(MASK, "by hand")
    Path("results/p/prediction.json").unlink()
    status, said = verified(capsys)
    assert status == 1
    assert f"{MASK} was changed by hand\n" in said
    assert "results/p/prediction.json is gone\n" in said
    assert "2 output(s) not as their jobs left them: remove them and run again" in said


def test_a_later_run_does_not_whitewash_an_edit(capsys: pytest.CaptureFixture) -> None:
    write(MASK, "by hand")
    record_all()
    assert f"{MASK} was changed by hand\n" in verified(capsys)[1]


def test_an_edit_of_the_record_itself_is_found(capsys: pytest.CaptureFixture) -> None:
    table = OWN["digests"]
    table.write_text(table.read_text().replace("unet", "other"))
    assert f"{table} was changed by hand\n" in verified(capsys)[1]


def test_what_jobs_made_after_the_record_is_no_edit(capsys: pytest.CaptureFixture) -> None:
    made = [write(MASK, "of a better model"), write("results/p/prediction.json", "too")]
    record_job("predict_patient", [CT], made)
    assert verified(capsys) == (0, "all as recorded\n")


def test_results_put_away_without_the_notes_are_checked(capsys: pytest.CaptureFixture) -> None:
    Path(".snakemake").rename("elsewhere")
    assert verified(capsys) == (0, "all as recorded\n")
    write(MASK, "by hand")
    assert f"{MASK} was changed by hand\n" in verified(capsys)[1]


def test_what_no_job_noted_cannot_be_checked(capsys: pytest.CaptureFixture) -> None:
    record_job("fetch_dataset", [], [write("results/datasets/a.json")], noted=False)
    record_all()
    status, said = verified(capsys)
    assert status == 1
    assert "results/datasets/a.json was made by no job in this folder" in said


def test_a_ct_replaced_under_an_older_time_is_told_by_its_patient(
    capsys: pytest.CaptureFixture,
) -> None:
    stat = Path(CT).stat()
    write(CT, "somebody else's")
    os.utime(CT, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**12))
    status, said = verified(capsys)
    assert status == 1
    assert said == (
        "patient p1: CT was replaced since the run read it; touch the file and run again\n"
    )


def test_files_that_were_imported_are_counted(capsys: pytest.CaptureFixture) -> None:
    slices = [write(f"archive/DOE/{number}.dcm") for number in range(3)]
    made = [write("results/imported/p1/ct.nii.gz"), write("results/imported/p1/ct.json")]
    record_job("import_dicom", slices, made)
    record_job("inspect_patient", made, [INSPECTION])
    write(slices[0], "another slice")
    write(slices[2], "and another")
    assert verified(capsys)[1] == (
        "patient p1: a file that was imported (2 files) was replaced since the run read it; "
        "touch the file and run again\n"
    )


def test_a_ct_that_is_gone_is_told_unless_its_patient_left(capsys: pytest.CaptureFixture) -> None:
    Path(CT).unlink()
    assert verified(capsys)[1].startswith("patient p1: CT is gone; restore it")
    record_job("admit_cohort", [INSPECTION], [write("results/cohort/cohort.tsv", "patient\n")])
    assert verified(capsys) == (0, "all as recorded\n")


def test_weights_that_training_began_from_are_looked_at(capsys: pytest.CaptureFixture) -> None:
    weights = write("released/DOE.safetensors")
    record_job("train_model", [weights], [write("results/models/unet/model.safetensors")])
    write(weights, "others")
    assert verified(capsys)[1].startswith(
        "model unet: the file of weights it began from was replaced"
    )
    Path(weights).unlink()
    assert verified(capsys)[0] == 0
