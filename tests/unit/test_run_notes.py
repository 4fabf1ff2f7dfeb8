"""Reasons in words; the failed at the end."""

import logging
from enum import Enum
from pathlib import Path
from typing import Any

from workflow.liverseg.run_notes import RunNotes, explain

UNION = "Union of exclusive params before and now across all output: "


class Event(Enum):
    """Stands in for Snakemake's events."""

    JOB_INFO = 1
    JOB_ERROR = 2
    JOB_FINISHED = 3
    GROUP_ERROR = 4


def changed(before: str, now: str) -> str:
    return f"Params have changed since last execution: {UNION}before: {before} now: {now} "


def record(event: Event, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    made.__dict__.update(event=event, **fields)
    return made


def test_a_changed_setting_is_named_with_both_values() -> None:
    reason = changed(
        repr('{"training": {"epochs": 2, "loss": {"name": "dice"}}}'),
        repr('{"training": {"epochs": 3, "loss": {"name": "dice"}}}'),
    )
    assert explain(reason) == "Changed since the last time: `training.epochs` 2 → 3"


def test_added_settings_and_changed_code_are_named() -> None:
    reason = changed(
        repr('{"mesh": {"a": 1}}') + "," + repr(["meshes:0123456789ab", "files:aaaaaaaaaaaa"]),
        repr('{"mesh": {"a": 1, "b": "ü\'"}}')
        + ","
        + repr(["meshes:ba9876543210", "files:aaaaaaaaaaaa"]),
    )
    assert explain(reason) == (
        'Changed since the last time: `mesh.b` not set → "ü\'"; code of `meshes`'
    )


def test_what_comes_before_stays_and_other_reasons_are_untouched() -> None:
    assert explain("Missing output files: a") == "Missing output files: a"
    reason = "Updated input files: x; " + changed("['m:0123456789ab']", "['m:ba9876543210']")
    assert explain(reason) == "Updated input files: x; Changed since the last time: code of `m`"


def test_an_unknown_change_is_left_as_snakemake_words_it() -> None:
    assert explain(changed("'a'", "'b'")) == changed("'a'", "'b'")


def test_only_an_expensive_retraining_is_announced() -> None:
    notes = RunNotes()
    again, first, cheap = (
        record(Event.JOB_INFO, rule_name=rule, reason=reason)
        for rule, reason in [
            ("train_model", "Updated input files: x"),
            ("train_model", "Missing output files: x"),
            ("cut_chunks", "Updated input files: x"),
        ]
    )
    for each in (again, first, cheap):
        assert notes.filter(each)
    reasons = [each.__dict__["reason"] for each in (again, first, cheap)]
    assert [reason.startswith("TRAINED AGAIN") for reason in reasons] == [True, False, False]


def test_the_users_files_are_counted_and_not_named() -> None:
    own, made = "/archive/DOE^JANE/ct.nii", "results/volumes/p1.npz"
    info = record(
        Event.JOB_INFO, rule_name="x", input=[own, made], reason=f"Updated input files: {own}"
    )
    error = record(Event.JOB_ERROR, rule_name="x", jobid=1, log=[], input=[own, own + "2", made])
    for each in (info, error):
        RunNotes().filter(each)
    assert info.__dict__["input"] == ["(a file of yours)", made]
    assert info.__dict__["reason"] == "Updated input files: (a file of yours)"
    assert error.__dict__["input"] == ["(2 files of yours)", made]


def test_the_failed_are_listed_with_the_end_of_their_log_unless_a_retry_went_well(
    tmp_path: Path,
) -> None:
    log = "results/logs/score_patient/unet/p1.log"
    (tmp_path / log).parent.mkdir(parents=True)
    (tmp_path / log).write_text("\n".join(f"line {n}" for n in range(9)))
    notes = RunNotes()
    notes.filter(record(Event.JOB_ERROR, rule_name="score_patient", jobid=1, log=[log]))
    notes.filter(
        record(Event.JOB_ERROR, rule_name="cut_chunks", jobid=2, log=["l/cut_chunks/p2.log"])
    )
    notes.filter(record(Event.JOB_ERROR, rule_name="train_model", jobid=3, log=[]))
    notes.filter(record(Event.JOB_FINISHED, job_id=3))
    words = notes.closing_words(tmp_path)
    assert "2 job(s) failed" in words
    assert "score_patient of unet/p1" in words
    assert f"log: {log}" in words
    assert "line 8" in words
    assert "line 2" not in words
    assert "cut_chunks of p2" in words
    assert "train_model" not in words


def test_what_was_lost_with_its_bundle_is_told_apart_from_what_failed(tmp_path: Path) -> None:
    logs = {name: f"results/logs/export_mesh/unet/{name}.log" for name in ("p1", "p2", "p3")}
    for name, text in (
        ("p1", "Traceback (most recent call last):\nValueError: x"),
        ("p2", "done"),
    ):
        (tmp_path / logs[name]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / logs[name]).write_text(text)
    notes = RunNotes()
    members = [{"jobid": number} for number in range(3)]
    notes.filter(record(Event.GROUP_ERROR, groupid="shown", job_error_info=members))
    for number, log in enumerate(logs.values()):
        notes.filter(record(Event.JOB_ERROR, rule_name="export_mesh", jobid=number, log=[log]))
    notes.filter(record(Event.JOB_ERROR, rule_name="train_model", jobid=9, log=["l/x.log"]))
    words = notes.closing_words(tmp_path)
    assert words.startswith("2 job(s) failed")
    assert "  export_mesh of unet/p1\n    log: " in words
    assert "2 job(s) were lost with the bundle" in words
    assert "  export_mesh of unet/p2, unet/p3\n" in words
    assert "the same command with --group-components shown=1" in words
    assert notes.lost_bundles() == ["shown"]


def test_a_locked_folder_is_told_how_to_go_on() -> None:
    locked = logging.makeLogRecord({"msg": "LockException:\nError: Directory cannot be locked."})
    assert RunNotes().filter(locked)
    assert locked.getMessage().startswith("LockException:")
    assert "`make resume`" in locked.getMessage()
