"""Going on after a crash, and never beside a run that lives."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.liverseg import upkeep
from workflow.liverseg.ended_trainings import RESUME, note_end
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.files import UNFINISHED, read_json, write_json
from workflow.liverseg.snakemake_records import INCOMPLETE, METADATA
from workflow.liverseg.upkeep import (
    LOCKS,
    driver_ends,
    driver_fails,
    driver_starts,
    living_driver,
    own_record,
    remove_unfinished,
    unrecorded_note,
)


def crashed(folder: Path) -> None:
    """What a killed driver leaves: a lock, its record, a half-written file."""
    (folder / ".snakemake/locks").mkdir(parents=True)
    (folder / ".snakemake/locks/0.output.lock").touch()
    (folder / "results/volumes").mkdir(parents=True)
    (folder / f"results/volumes/{UNFINISHED}abc.p1.npz").touch()
    (folder / "results/volumes/p2.npz").touch()


def test_resume_unlocks_tidies_and_runs_what_is_left(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    crashed(tmp_path)
    assert upkeep.resume(["echo", "--cores", "2"], tmp_path) == 0
    assert list((tmp_path / ".snakemake/locks").iterdir()) == []
    assert [path.name for path in (tmp_path / "results/volumes").iterdir()] == ["p2.npz"]
    assert "\n--cores 2 --rerun-incomplete" in capfd.readouterr().out


def test_resume_without_a_call_makes_the_last_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    crashed(tmp_path)
    (tmp_path / "snakemake.py").write_text("import sys; print('called with', sys.argv[1:])")
    call = ["--cores", "3", "--config", "patients=/data/lits"]
    monkeypatch.setattr(sys, "argv", ["snakemake", *call])
    driver_starts(tmp_path)
    driver_ends(tmp_path)
    assert upkeep.main(["resume", "--directory", str(tmp_path)]) == 0
    assert f"called with {[*call, '--rerun-incomplete']}" in capfd.readouterr().out
    assert upkeep.main(["resume", "--directory", str(tmp_path), "--cores", "1"]) == 0
    again = [*call, "--cores", "1", "--rerun-incomplete"]
    assert f"called with {again}" in capfd.readouterr().out


def test_resume_without_a_call_refuses_where_no_run_is_recorded(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    crashed(tmp_path)
    assert upkeep.main(["resume", "--directory", str(tmp_path)]) == 1
    assert "found: no run is recorded in this folder" in capfd.readouterr().err
    assert list((tmp_path / ".snakemake/locks").iterdir()) == []


def test_resume_with_other_settings_than_the_runs_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(tmp_path)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--config", "patients=/data/lits"])
    driver_starts(tmp_path)
    driver_ends(tmp_path)
    with pytest.raises(LiversegError, match=r"expected: .* --config patients=/data/lits"):
        upkeep.resume(["true", "--cores", "8"], tmp_path)
    assert any((tmp_path / ".snakemake/locks").iterdir())


def test_resume_refuses_beside_a_living_run(tmp_path: Path) -> None:
    crashed(tmp_path)
    driver_starts(tmp_path)
    with pytest.raises(LiversegError, match="a run is at work in this folder"):
        upkeep.resume(["true"], tmp_path)
    assert any((tmp_path / ".snakemake/locks").iterdir())
    driver_ends(tmp_path)
    assert upkeep.resume(["true"], tmp_path) == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_driver_is_found_by_its_folder_alone(tmp_path: Path) -> None:
    fake = tmp_path / "snakemake"
    fake.write_text("import time; print('up', flush=True); time.sleep(60)")
    driver = subprocess.Popen([sys.executable, fake], cwd=tmp_path, stdout=subprocess.PIPE)
    assert driver.stdout is not None
    driver.stdout.readline()
    found = living_driver(tmp_path)
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert found is not None
    assert str(driver.pid) in found
    assert living_driver(tmp_path) is None


def test_a_record_of_another_machine_stands(tmp_path: Path) -> None:
    driver_starts(tmp_path)
    record = own_record(tmp_path)
    record.write_text(json.dumps({**read_json(record), "host": "elsewhere"}))
    assert (living_driver(tmp_path) or "").endswith("on elsewhere")


def test_a_dead_drivers_record_means_nothing(tmp_path: Path) -> None:
    driver_starts(tmp_path)
    record = own_record(tmp_path)
    record.write_text(json.dumps({**read_json(record), "started": "not then"}))
    assert living_driver(tmp_path) is None


def test_a_second_driver_is_told_of_the_first_and_leaves_its_record(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from workflow.liverseg.upkeep import driver_starts\n"
        "driver_starts(Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with first:
        assert first.stdout is not None
        first.stdout.readline()
        told = f"process {first.pid} on "
        assert (driver_starts(tmp_path) or "").startswith(told)
        driver_ends(tmp_path)
        assert (living_driver(tmp_path) or "").startswith(told)
        first.kill()
    assert living_driver(tmp_path) is None
    assert driver_starts(tmp_path) is None


def test_only_unfinished_files_are_removed(tmp_path: Path) -> None:
    crashed(tmp_path)
    assert [path.name for path in remove_unfinished(tmp_path)] == [f"{UNFINISHED}abc.p1.npz"]


def test_clean_leaves_the_readme(tmp_path: Path) -> None:
    crashed(tmp_path)
    (tmp_path / "results/README.md").touch()
    upkeep.clean(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["results", "README.md"]


def test_the_command_line_takes_a_folder_and_a_call(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    crashed(tmp_path)
    words = ["resume", "--directory", str(tmp_path), "--", "echo", "--cores", "2"]
    assert upkeep.main(words) == 0
    assert "--cores 2 --rerun-incomplete" in capfd.readouterr().out
    driver_starts(tmp_path)
    assert upkeep.main(words) == 1
    assert "remedy: wait for it or end it" in capfd.readouterr().err


def test_a_program_named_by_a_path_is_found_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "run", tmp_path / "here"
    crashed(folder)
    here.mkdir()
    (here / "snakemake").symlink_to("/bin/true")
    monkeypatch.chdir(here)
    assert upkeep.resume(["./snakemake"], folder) == 0


def mark_incomplete(folder: Path, output: str) -> Path:
    """Write an output as a job leaves it, and Snakemake's mark that it is not recorded."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [name[start : start + 254] for start in range(0, len(name), 254)]
    mark = folder.joinpath(INCOMPLETE, *(f"@{part}" for part in parts[:-1]), parts[-1])
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text('{"external_jobid": null}')
    path = folder / output
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("name", ["p1.npz", "p" * 200 + ".npz"])
def test_what_no_driver_recorded_stops_a_run_and_is_removed_by_resume(
    tmp_path: Path, capfd: pytest.CaptureFixture, name: str
) -> None:
    crashed(tmp_path)
    left = mark_incomplete(tmp_path, f"results/volumes/{name}")
    kept = mark_incomplete(tmp_path, "data/ct.nii.gz")
    with pytest.raises(LiversegError, match=rf"1 output\(s\) .* results/volumes/{name}"):
        driver_starts(tmp_path)
    assert not own_record(tmp_path).exists()
    assert unrecorded_note(tmp_path) is None  # perhaps a run is at work
    assert upkeep.resume(["true", "--dry-run"], tmp_path) == 0
    (tmp_path / LOCKS / "0.output.lock").unlink()
    assert "make resume" in str(unrecorded_note(tmp_path))
    assert upkeep.resume(["true"], tmp_path) == 0
    assert "removed 1 output(s) that the interrupted run had not" in capfd.readouterr().out
    assert not left.exists()
    assert kept.exists()
    assert list((tmp_path / INCOMPLETE).iterdir()) == []
    driver_starts(tmp_path)


@pytest.mark.parametrize("marked", [False, True])
def test_what_a_power_cut_made_of_a_record_is_made_again(tmp_path: Path, marked: bool) -> None:
    crashed(tmp_path)
    for name, record in (("p1", ""), ("p2", '{"rule": "prepare_volume"}')):
        output = mark_incomplete(tmp_path, f"results/volumes/{name}.npz")
        (mark,) = (tmp_path / INCOMPLETE).iterdir()
        mark.write_text(record)
        (tmp_path / METADATA).mkdir(parents=True, exist_ok=True)
        mark.rename(tmp_path / METADATA / mark.name)
    if marked:  # Snakemake takes the mark away after it has written the record
        mark_incomplete(tmp_path, "results/volumes/p1.npz")
        assert output.exists()
    assert upkeep.resume(["true"], tmp_path) == 0
    assert [path.name for path in (tmp_path / "results/volumes").iterdir()] == ["p2.npz"]
    assert len(list((tmp_path / METADATA).iterdir())) == 1


@pytest.mark.parametrize("kept", [False, True])
def test_what_a_cancelled_job_left_goes_with_its_driver(tmp_path: Path, kept: bool) -> None:
    driver_starts(tmp_path)
    left = mark_incomplete(tmp_path, "results/models/a/model.safetensors")
    state = tmp_path / RESUME / "a-1"
    state.mkdir(parents=True)
    note_end(state)
    driver_fails(tmp_path, [], keep=kept)
    assert left.exists() is kept
    assert state.exists()  # from it, the model is made again at once


def test_a_driver_that_fails_leaves_the_work_of_another(tmp_path: Path) -> None:
    driver_starts(tmp_path)
    beside = {"host": "another", "pid": 7, "started": "1"}
    write_json(own_record(tmp_path).with_name("another-7.json"), beside)
    left = mark_incomplete(tmp_path, "results/models/a/model.safetensors")
    driver_fails(tmp_path, [])
    assert left.exists()
    driver_starts(tmp_path)  # beside it, Snakemake's lock decides


def test_a_plan_alone_removes_nothing(tmp_path: Path) -> None:
    crashed(tmp_path)
    left = mark_incomplete(tmp_path, "results/models/a/model.safetensors")
    assert upkeep.resume(["true", "-np", "--cores", "2"], tmp_path) == 0
    assert left.exists()
    assert any((tmp_path / ".snakemake/locks").iterdir())


@pytest.mark.parametrize("told", [["-Rtrain_model"], ["--forcerun=a", "--"], ["-nF"], ["-f"]])
def test_a_call_that_makes_anew_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["snakemake", *told])
    driver_starts(tmp_path)
    driver_ends(tmp_path)
    with pytest.raises(LiversegError, match="would make again what is done"):
        upkeep.resume([], tmp_path)


def test_more_options_stand_before_the_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "snakemake.py").write_text("import sys; print('called with', *sys.argv[1:])")
    monkeypatch.setattr(sys, "argv", ["snakemake", "--config", "a=1", "--", "results/x"])
    driver_starts(tmp_path)
    driver_fails(tmp_path, ["preparation"])
    assert upkeep.main(["resume", "--directory", str(tmp_path), "--cores", "1"]) == 0
    added = "--group-components preparation=1 --cores 1 --rerun-incomplete"
    assert f"called with --config a=1 {added} -- results/x" in capfd.readouterr().out


def test_states_of_ended_trainings_go_with_the_driver(tmp_path: Path) -> None:
    ended, going = tmp_path / RESUME / "a-1", tmp_path / RESUME / "b-2"
    for folder in (ended, going):
        folder.mkdir(parents=True)
        (folder / "000-000000001b.safetensors").touch()
    note_end(ended)
    driver_starts(tmp_path)
    driver_ends(tmp_path)
    assert not ended.exists()
    assert list(going.iterdir())
