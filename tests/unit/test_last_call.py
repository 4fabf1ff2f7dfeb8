"""What a run was started with is written down, and going on means the same run."""

import sys
from pathlib import Path

import pytest

from workflow.liverseg.errors import LiversegError
from workflow.liverseg.last_call import (
    Call,
    check_makes_nothing_anew,
    check_same_settings,
    last_call,
    record_call,
    record_lost_bundles,
)


def called_from(
    place: Path, directory: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    """Record a call made in `place`, as Snakemake does once it has gone to `directory`."""
    monkeypatch.setenv("PWD", str(place))
    monkeypatch.chdir(directory)
    record_call(directory, arguments)
    call = last_call(directory)
    assert call is not None
    return call


def test_a_call_is_made_again_with_its_arguments_from_where_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run = tmp_path / "checkout", tmp_path / "run"
    for folder in (place, run):
        folder.mkdir()
    (place / "lits.yaml").touch()
    arguments = ["--cores", "4", "--configfile", "lits.yaml", "--directory", "../run"]
    call = called_from(place, run, arguments, monkeypatch)
    assert Path(call.place) == place
    assert call.command() == [sys.executable, "-m", "snakemake", *arguments]


def test_a_shell_that_was_elsewhere_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--configfile", "lits.yaml", "--directory", str(tmp_path)]
    (tmp_path / "lits.yaml").touch()
    call = called_from(tmp_path / "gone", tmp_path, arguments, monkeypatch)
    assert Path(call.place) == tmp_path
    call = called_from(tmp_path / "gone", tmp_path, ["--cores", "2"], monkeypatch)
    assert Path(call.place) == tmp_path


def test_patients_of_lost_bundles_are_sent_one_by_one(tmp_path: Path) -> None:
    record_lost_bundles(tmp_path, ["shown"])
    assert last_call(tmp_path) is None
    record_call(tmp_path, ["--profile", "profiles/slurm"])
    record_lost_bundles(tmp_path, ["inspection", "shown"])
    call = last_call(tmp_path)
    assert call is not None
    assert call.command()[3:] == [
        *["--profile", "profiles/slurm"],
        *["--group-components", "inspection=1", "shown=1"],
    ]


@pytest.mark.parametrize(
    ("command", "same"),
    [
        ("snakemake --cores 2 --configfile /c/lits.yaml --config patients=/d a=1 -n", True),
        ("snakemake --config a=1 patients=/d --configfile /c/../c/lits.yaml", True),
        ("snakemake --cores 8", False),
        ("snakemake --configfile /c/lits.yaml --config patients=/other a=1", False),
        ("snakemake --configfile /c/msd.yaml --config patients=/d a=1", False),
    ],
)
def test_another_configuration_is_refused_and_other_options_are_not(
    tmp_path: Path, command: str, same: bool
) -> None:
    call = Call(["--configfile", "lits.yaml", "--config", "patients=/d", "a=1"], "/c", [])
    if same:
        check_same_settings(call, command.split(), tmp_path)
        return
    with pytest.raises(LiversegError, match=r"expected: .*--configfile /c/lits\.yaml") as caught:
        check_same_settings(call, command.split(), tmp_path)
    assert "remedy: go on without ARGS" in str(caught.value)


def test_a_call_that_accepts_what_is_there_is_no_run_to_go_on_with(tmp_path: Path) -> None:
    record_call(tmp_path, ["--cores", "4"])
    record_call(tmp_path, ["--cores", "1", "--touch"])
    call = last_call(tmp_path)
    assert call is not None
    assert call.arguments == ["--cores", "4"]


def test_a_call_that_makes_things_anew_is_not_made_again_unasked() -> None:
    check_makes_nothing_anew(Call(["--cores", "4"], "/run", []))
    with pytest.raises(LiversegError, match=r"started with --forcerun.*\n.*make resume"):
        check_makes_nothing_anew(Call(["--cores", "4", "-R", "train_model"], "/run", []))
