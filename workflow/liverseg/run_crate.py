"""A finished run as a Workflow Run RO-Crate, its root the folder of the results.

Specification: https://w3id.org/ro/wfrun/workflow/0.5 over RO-Crate 1.1. The workflow's run is one
action; each job is another, with its settings, the code that ran, its times, what it read and made.
"""

import hashlib
from collections.abc import Iterable, Mapping
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from workflow.liverseg.files import sha256, write_json
from workflow.liverseg.provenance import Record

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
SNAKEFILE = Path(__file__).resolve().parents[2] / "Snakefile"
RESULTS = "results/"
WORKFLOW, SETTINGS = "provenance/Snakefile", "provenance/config.json"  # below the results
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
COMPLETED = "http://schema.org/CompletedActionStatus"


def write_crate(
    records: list[Record],
    *,
    path: Path,
    beside: Mapping[str, str],
    commands: Iterable[str],
    versions: Mapping[str, str],
) -> None:
    """Write the crate's metadata to `path`, in the folder of the results.

    beside: what is recorded beside the results, by its place in that folder, and what it is;
    WORKFLOW and SETTINGS are among them. commands: the calls that made the results. Inputs
    are named by their digests: file names of a hospital may carry names of people.
    """
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.name = "A run of liverseg"
    crate.description = "Liver segmentation from CTs: models, masks, surfaces, scores and a report."
    crate.license = "https://www.apache.org/licenses/LICENSE-2.0"
    # Dated by the run, not by the writing of this, so that writing it again changes nothing.
    crate.root_dataset["datePublished"] = _last(records)
    crate.root_dataset["conformsTo"] = _profiles(crate)
    recorded = {
        place: _file(crate, place, sha256(path.parent / place), what, kind=_kind(place))
        for place, what in beside.items()
    }
    made = {
        r.output: _file(crate, _place(r.output), r.sha256, f"made by {r.rule}") for r in records
    }
    read = _inputs(crate, records)
    run = _run(crate, records, commands, recorded, versions)
    run["object"] = [recorded[SETTINGS], *read.values()]
    run["result"] = list(made.values())
    jobs = _jobs(crate, records, {**made, **read})
    crate.root_dataset["mentions"] = [run, *jobs]
    crate.root_dataset["hasPart"] = [*recorded.values(), *made.values(), *read.values()]
    write_json(path, crate.metadata.generate())


def _add(crate: "ROCrate", at: str, kind: Any, /, **values: Any) -> Any:
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, at, {"@type": kind, **values}))


def _profiles(crate: "ROCrate") -> list[Any]:
    parts = [(url, *url.split("/")[-2:]) for url in PROFILES]
    return [_add(crate, url, "CreativeWork", name=name, version=of) for url, name, of in parts]


def _place(output: str) -> str:
    return quote(output.removeprefix(RESULTS))


def _last(records: list[Record]) -> str:
    return max((record.ended for record in records), default="1970-01-01T00:00:00+00:00")


def _kind(place: str) -> Any:
    is_workflow = place == WORKFLOW
    return ["File", "SoftwareSourceCode", "ComputationalWorkflow"] if is_workflow else "File"


def _file(
    crate: "ROCrate", place: str, digest: str | None, description: str, *, kind: Any = "File"
) -> Any:
    sums = {"sha256": digest} if digest else {}
    return _add(crate, place, kind, name=Path(place).name, description=description, **sums)


def _inputs(crate: "ROCrate", records: list[Record]) -> dict[str, Any]:
    """The user's own files: their digests stand for them, also as names."""
    digests = {digest for record in records for digest in record.inputs.values() if digest}
    return {
        digest: _file(crate, f"urn:sha256:{digest}", digest, "a file of the user: CT or label")
        for digest in sorted(digests)
    }


def _run(
    crate: "ROCrate",
    records: list[Record],
    commands: Iterable[str],
    recorded: Mapping[str, Any],
    versions: Mapping[str, str],
) -> Any:
    """The whole workflow's action, and the workflow itself."""
    language = _add(
        crate,
        SNAKEMAKE,
        "ComputerLanguage",
        name="Snakemake",
        identifier={"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        url={"@id": "https://snakemake.readthedocs.io"},
        version=metadata.version("snakemake"),
    )
    workflow = recorded[WORKFLOW]
    workflow["name"] = "liverseg"
    workflow["programmingLanguage"] = language
    crate.mainEntity = workflow
    run = _add(
        crate,
        "#run",
        "CreateAction",
        name="snakemake, the whole workflow",
        description="\n".join(commands),
        startTime=min((record.started for record in records), default=_last(records)),
        endTime=_last(records),
        actionStatus=COMPLETED,
    )
    run["instrument"] = workflow
    run["agent"] = _add(crate, "#operator", "Person", name="the operator of the run")
    run["softwareRequirements"] = [
        _add(crate, f"#{name}", "SoftwareApplication", name=name, softwareVersion=version)
        for name, version in sorted(versions.items())
    ]
    return run


def _jobs(crate: "ROCrate", records: list[Record], files: Mapping[str, Any]) -> list[Any]:
    """An action for each job: its script at the digests of its code, settings, files and times."""

    def job(record: Record) -> tuple[Any, ...]:
        told = (record.started, record.ended, record.rule, record.job)
        return (*told, record.made_from, *record.inputs)

    actions = []
    for _, group in groupby(sorted(records, key=job), key=job):
        outputs = list(group)
        first = outputs[0]
        read = [*first.made_from, *filter(None, first.inputs.values())]
        action = _add(
            crate,
            f"#job-{_place(first.output)}",
            "CreateAction",
            name=f"{first.rule}: {first.output}",
            description=f"workflow/scripts/{first.rule}.py, started by Snakemake",
            startTime=first.started,
            endTime=first.ended,
            actionStatus=COMPLETED,
        )
        action["instrument"] = _script(crate, first)
        action["object"] = [_settings(crate, first), *(files[one] for one in read if one in files)]
        action["result"] = [files[record.output] for record in outputs]
        actions.append(action)
    return actions


def _script(crate: "ROCrate", record: Record) -> Any:
    """A rule's script, once for each state of its code."""
    name = f"#script-{record.rule}-{_short(record.code)}"
    script = f"workflow/scripts/{record.rule}.py"
    return crate.get(name) or _add(
        crate, name, "SoftwareApplication", name=script, softwareVersion=record.code or "unknown"
    )


def _settings(crate: "ROCrate", record: Record) -> Any:
    """The settings of a job, once for all that have the same."""
    name = f"#settings-{_short(record.settings)}"
    return crate.get(name) or _add(
        crate, name, "PropertyValue", name="settings", value=record.settings
    )


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
