"""Other versions of the software are told, and start nothing."""

import json
from pathlib import Path

import pytest

from workflow.liverseg.software import installed_versions, locked_versions, versions_note

PRESENT = {"torch": "2.5.0+cpu", "numpy": "2.1.0"}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("results")


def write(path: Path, content: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_what_was_made_with_other_versions_is_told_with_both(results: Path) -> None:
    card = write(
        results / "models/unet/fold-0/model.json",
        {"versions": {"torch": "2.4.1+cpu", "numpy": "2.1.0"}},
    )
    last = write(results / "provenance/versions.json", {"numpy": "2.0.2", "vtk": "9.4"})
    note = versions_note([card], last, PRESENT)
    assert note is not None
    assert note.startswith(
        "Versions of software have changed: model unet/fold-0 was made with others "
        "(torch 2.4.1+cpu → 2.5.0+cpu); the last run was made with others (numpy 2.0.2 → 2.1.0). "
        "Nothing is made again for that"
    )


def test_the_same_versions_and_builds_for_another_device_are_no_news(results: Path) -> None:
    card = write(results / "models/unet/model.json", {"versions": {"torch": "2.5.0+cu124"}})
    last = write(results / "provenance/versions.json", PRESENT)
    assert versions_note([card], last, PRESENT) is None


def test_damaged_records_keep_nobody_from_starting(results: Path) -> None:
    card = write(results / "models/unet/model.json", {})
    last = results / "provenance/versions.json"
    last.parent.mkdir(parents=True)
    last.write_text("{")
    assert versions_note([card], last, PRESENT) is None


def test_before_the_first_run_there_is_nothing_to_tell(results: Path) -> None:
    cards = [results / "models/unet/model.json"]
    assert versions_note(cards, results / "provenance/versions.json", PRESENT) is None


def test_the_lock_tells_what_it_pins_on_every_machine(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "--index-url x\ntorch==2.5.0 ; sys_platform == 'linux'\npandas==2.2\nother==1\n"
        "numpy==1.26 ; python_full_version < '3.12'\nnumpy==2.1 ; python_full_version >= '3.12'\n"
    )
    assert locked_versions(lock) == {"torch": "2.5.0", "pandas": "2.2"}


def test_the_projects_own_lock_is_what_is_installed() -> None:
    locked = locked_versions(Path(__file__).resolve().parents[2] / "envs/requirements.txt")
    installed = installed_versions()
    assert {"snakemake", "torch", "monai"} <= locked.keys()
    assert {name: installed[name].partition("+")[0] for name in locked} == locked
