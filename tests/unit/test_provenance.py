"""Where results came from, told so that a validator agrees, and what was changed by hand."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workflow.liverseg.provenance import (
    changed_since,
    digests_of,
    read_records,
    write_crate,
    write_digests,
)
from workflow.scripts.record_provenance import main

TERMS = {
    "@vocab": "http://schema.org/",
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    **{
        name: f"http://schema.org/{name}"
        for name in """about actionStatus agent CreateAction CreativeWork ComputerLanguage Dataset
        dateModified datePublished description encodingFormat endTime hasPart identifier instrument
        license mainEntity mentions name object Person programmingLanguage result
        softwareRequirements SoftwareApplication SoftwareSourceCode softwareVersion startTime url
        version sha256""".split()  # noqa: SIM905
    },
}
CODE = ["models:0123456789ab"]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run of two outputs as Snakemake records it, and one record whose output is gone."""
    noted = {
        "rule": "predict_patient",
        "input": ["/archive/DOE^JANE/ct.nii.gz", "results/models/unet/model.json"],
        "params": [repr(json.dumps({"prediction": {"overlap": 0.5}})), repr(CODE)],
        "starttime": 1.7e9,
        "endtime": 1.7e9 + 60,
        "input_checksums": {"/archive/DOE^JANE/ct.nii.gz": "sha256:" + "a" * 64},
    }
    for name in ("results/a/mask.nii.gz", "results/a/prediction.json", "results/gone.json"):
        record = tmp_path / ".snakemake/metadata" / base64.urlsafe_b64encode(name.encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(noted))
        if "gone" not in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def crate(finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The crate of the finished run."""
    monkeypatch.chdir(finished)
    folder = Path("results/provenance")
    main(folder / "ro-crate-metadata.json", folder / "digests.tsv", {"train": ["unet"]})
    return finished / folder


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the validator the terms of RO-Crate 1.1 that our crates use; nothing is fetched."""
    rdflib_context = pytest.importorskip("rdflib.plugins.shared.jsonld.context")
    http = pytest.importorskip("rocrate_validator.utils.http")
    text = json.dumps({"@context": TERMS})
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


def test_records_hold_settings_code_and_times_of_what_is_there(finished: Path) -> None:
    first, second = read_records(finished)
    assert first.output == "results/a/mask.nii.gz"
    assert second.output == "results/a/prediction.json"
    assert json.loads(first.settings) == {"prediction": {"overlap": 0.5}}
    assert first.code == CODE[0]
    assert (first.started, first.ended) == (
        "2023-11-14T22:13:20+00:00",
        "2023-11-14T22:14:20+00:00",
    )
    assert list(first.inputs.values()) == ["a" * 64]


def test_a_crate_is_valid(crate: Path, offline: None) -> None:
    services = pytest.importorskip("rocrate_validator.services")
    settings = {"rocrate_uri": str(crate), "profile_identifier": "workflow-run-crate"}
    result = services.validate({**settings, "requirement_severity": "REQUIRED"})
    issues = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
    assert not issues, issues


def test_a_crate_tells_no_file_name_of_the_archive(crate: Path) -> None:
    for path in crate.iterdir():
        assert "DOE" not in path.read_text()


def test_writing_again_changes_nothing(crate: Path) -> None:
    before = {path.name: path.read_bytes() for path in crate.iterdir()}
    main(crate / "ro-crate-metadata.json", crate / "digests.tsv", {"train": ["unet"]})
    assert {path.name: path.read_bytes() for path in crate.iterdir()} == before


def test_what_was_changed_or_removed_by_hand_is_found(crate: Path, finished: Path) -> None:
    table = crate / "digests.tsv"
    assert list(changed_since(table, finished)) == []
    mask = finished / "results/a/mask.nii.gz"
    mask.write_text(mask.read_text().replace("mask", "MASK"))
    (finished / "results/a/prediction.json").unlink()
    assert dict(changed_since(table, finished)) == {
        "results/a/mask.nii.gz": "was changed by hand",
        "results/a/prediction.json": "is gone",
    }


def test_the_functions_are_used_alone(finished: Path) -> None:
    records = read_records(finished)
    sums = digests_of([record.output for record in records], finished)
    write_digests(records, sums, finished / "d.tsv", finished)
    write_crate(records, sums, folder=finished / "c", config="{}")
    assert {path.name for path in (finished / "c").iterdir()} == {
        "Snakefile",
        "config.json",
        "ro-crate-metadata.json",
    }
