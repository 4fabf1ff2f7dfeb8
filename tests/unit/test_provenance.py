"""Where results came from, told so that a validator agrees."""

import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.finished_run import CODE, CT, MASK, SETTINGS, finish, record_job, write
from workflow.liverseg.commands import note_command, read_commands
from workflow.liverseg.files import sha256
from workflow.liverseg.provenance import read_records
from workflow.liverseg.snakemake_records import METADATA, records
from workflow.scripts.record_provenance import main

RESULTS = Path("results")
OWN = {name: RESULTS / "provenance" / file for name, file in (
    ("digests", "digests.tsv"), ("snakefile", "Snakefile"), ("config", "config.json"),
    ("versions", "versions.json"))}  # fmt: skip
CRATE = RESULTS / "ro-crate-metadata.json"


@pytest.fixture(autouse=True)
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run in the working directory, a call that made it, and an output that is gone."""
    monkeypatch.chdir(tmp_path)
    finish()
    record_job("export_mesh", [], [write("results/gone.json")])
    Path("results/gone.json").unlink()
    write("/".join(["sheets", "DOE.tsv"]))
    call = ["/home/doe/bin/snakemake", "--cores", "8", "--config", "patients=sheets/DOE.tsv"]
    note_command(call, Path(), tmp_path / "sources")
    return tmp_path


def graph() -> dict[str, dict[str, Any]]:
    """Write the crate; its entities by id."""
    main(CRATE, **OWN, settings={"train": ["unet"]})
    return {entity["@id"]: entity for entity in json.loads(CRATE.read_text())["@graph"]}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the validator the context that ro-crate-py brings along; nothing is fetched.

    It is that of RO-Crate 1.3; only Bioschemas' terms stood at another address in 1.1.
    """
    rdflib_context = pytest.importorskip("rdflib.plugins.shared.jsonld.context")
    http = pytest.importorskip("rocrate_validator.utils.http")
    shipped = resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_text("utf-8")
    text = shipped.replace("https://bioschemas.org/terms/", "https://bioschemas.org/")
    answer = SimpleNamespace(
        status_code=200,
        ok=True,
        text=text,
        content=text.encode(),
        headers={"Content-Type": "application/ld+json"},
        json=lambda: json.loads(text),
        raise_for_status=lambda: None,
    )

    def method(self: object, name: str) -> Any:
        return lambda url, *args, **kwargs: answer

    monkeypatch.setattr(http.HttpRequester, "__getattr__", method)
    monkeypatch.setattr(rdflib_context, "source_to_json", lambda *a, **k: (json.loads(text), None))
    yield


def issues_found() -> list[str]:
    services = pytest.importorskip("rocrate_validator.services")
    settings = {"rocrate_uri": str(RESULTS), "profile_identifier": "workflow-run-crate"}
    result = services.validate({**settings, "requirement_severity": "REQUIRED"})
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]


def test_records_hold_what_the_job_noted_and_the_digests_of_what_it_read() -> None:
    found = {record.output: record for record in read_records(Path())}
    assert "results/gone.json" not in found
    mask = found[MASK]
    assert (mask.rule, mask.settings, mask.code) == ("predict_patient", SETTINGS, CODE[0])
    assert mask.started == "2023-11-14T22:13:20+00:00"
    assert mask.sha256 == sha256(Path(MASK))
    assert mask.made_from == ("results/models/unet/model.json",)
    assert mask.inputs == {CT: sha256(Path(CT))}


def test_a_crate_is_valid(offline: None) -> None:
    graph()
    assert issues_found() == []


def test_the_validator_is_not_content_with_everything(offline: None) -> None:
    broken = list(graph().values())
    run = next(entity for entity in broken if entity["@id"] == "#run")
    run["instrument"] = {"@id": "#operator"}
    crate = json.loads(CRATE.read_text())
    CRATE.write_text(json.dumps({**crate, "@graph": broken}))
    assert issues_found()


def test_every_file_of_the_crate_lies_within_its_root() -> None:
    entities = graph()
    parts = [part["@id"] for part in entities["./"]["hasPart"]]
    assert {"predictions/unet/p1/mask.nii.gz", "provenance/digests.tsv"} < set(parts)
    for place in parts:
        path = RESULTS / place
        assert place.startswith("urn:sha256:") or sha256(path) == entities[place]["sha256"]


def test_a_crate_tells_commands_times_settings_code_and_files_of_each_job() -> None:
    entities = graph()
    assert entities["#run"]["description"].endswith(
        " snakemake --cores 8 --config patients=(a file of yours)"
    )
    job = entities["#job-p/prediction.json"]
    assert job["startTime"] == "2023-11-14T22:13:20+00:00"
    assert job["endTime"] > job["startTime"]
    script = entities[job["instrument"]["@id"]]
    assert script["name"] == "workflow/scripts/predict_patient.py"
    assert script["softwareVersion"] == CODE[0]
    read = [entities[one["@id"]] for one in job["object"]]
    assert [one["value"] for one in read if one["@type"] == "PropertyValue"] == [SETTINGS]
    assert sha256(Path(CT)) in [one.get("sha256") for one in read]
    assert [one["@id"] for one in job["result"]] == [
        "p/prediction.json",
        "predictions/unet/p1/mask.nii.gz",
    ]
    assert {"@id": job["@id"]} in entities["./"]["mentions"]


def test_jobs_of_the_same_second_are_told_apart() -> None:
    for name in "ab":
        record_job("make_phantoms", [], [write(f"results/phantoms/{name}.nii.gz")])
    jobs = {name for name in graph() if name.startswith("#job-phantoms/")}
    assert jobs == {"#job-phantoms/a.nii.gz", "#job-phantoms/b.nii.gz"}


def test_a_record_that_was_cut_off_is_as_none() -> None:
    (record,) = (path for name, path in records(METADATA) if name == MASK)
    record.write_text("")
    assert MASK not in {record.output for record in read_records(Path())}


def test_a_crate_tells_no_file_name_of_the_archive() -> None:
    graph()
    for path in (CRATE, *OWN.values()):
        assert "doe" not in path.read_text().casefold()


def test_a_call_is_told_with_the_workflows_own_files(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    overlay = sources / "config/examples/lits.yaml"
    write(str(overlay))
    words = ["snakemake", f"--configfile={overlay}", "results/scores/a.json", "--cores=all"]
    write(str(sources / "DOE/patients.tsv"))
    words += ["--directory", "sheets", "--config", f"patients={sources}/DOE/patients.tsv"]
    note_command(words, Path(), sources)
    assert read_commands(Path())[-1].partition(" ")[2] == (
        "snakemake --configfile=config/examples/lits.yaml results/scores/a.json --cores=all "
        "--directory (a file of yours) --config patients=(a file of yours)"
    )
    assert len(read_commands(Path())) == 2


def test_writing_again_changes_nothing() -> None:
    graph()
    before = {path: path.read_bytes() for path in (CRATE, *OWN.values())}
    graph()
    assert {path: path.read_bytes() for path in (CRATE, *OWN.values())} == before
