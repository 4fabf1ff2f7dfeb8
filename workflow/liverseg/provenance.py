"""Where results came from: Snakemake's records and digests as a Workflow Run RO-Crate, and a check.

Specification: https://w3id.org/ro/wfrun/workflow/0.5 over RO-Crate 1.1.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.liverseg.files import read_json, sha256, write_json, write_text

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
DISTRIBUTIONS = ("snakemake", "torch", "monai", "numpy", "nibabel", "pandas", "vedo", "vtk")
COLUMNS = ("output", "sha256", "bytes", "rule", "started", "ended", "settings", "code")
SNAKEFILE = Path(__file__).resolve().parents[2] / "Snakefile"
CACHE = Path(".snakemake/liverseg/digests.json")


@dataclass(frozen=True)
class Record:
    """One output as Snakemake recorded it; times in UTC, `inputs` maps a user's file to sha256."""

    output: str
    rule: str
    started: str
    ended: str
    settings: str
    code: str
    inputs: dict[str, str | None]


def read_records(directory: Path) -> list[Record]:
    """Read what Snakemake noted about each output under `results/` that exists, by output."""
    import base64

    found = []
    for path in (directory / ".snakemake/metadata").rglob("*"):
        if not path.is_file():
            continue
        folders = path.relative_to(directory / ".snakemake/metadata").parts
        name = "".join(part.removeprefix("@") for part in folders)
        output = base64.urlsafe_b64decode(name.encode()).decode()
        if (directory / output).is_file() and output.startswith("results/"):
            found.append(_record(output, read_json(path)))
    return sorted(found, key=lambda record: record.output)


def _record(output: str, noted: dict[str, Any]) -> Record:
    params = [_literal(text) for text in noted.get("params") or []]
    settings = next((p for p in params if isinstance(p, str) and p.startswith("{")), "{}")
    code = next((p for p in params if isinstance(p, list)), [])
    sums = noted.get("input_checksums") or {}
    users = [path for path in noted.get("input") or [] if not path.startswith("results/")]
    return Record(
        output=output,
        rule=noted["rule"],
        started=_time(noted["starttime"]),
        ended=_time(noted["endtime"]),
        settings=settings,
        code=" ".join(code),
        inputs={path: (sums.get(path) or "").partition(":")[2] or None for path in users},
    )


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None


def _time(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).isoformat(timespec="seconds")


def digests_of(paths: Iterable[str], directory: Path, *, fresh: bool = False) -> dict[str, str]:
    """Map each path to the sha256 of its bytes.

    A file of unchanged size and time is not read again, unless `fresh`: a run that adds one
    patient shall not read all the others.
    """
    known = read_json(directory / CACHE) if (directory / CACHE).is_file() and not fresh else {}
    now: dict[str, Any] = {}
    for path in paths:
        status = (directory / path).stat()
        stamp = [status.st_size, status.st_mtime_ns]
        held = known.get(path)
        now[path] = held if held and held[0] == stamp else [stamp, sha256(directory / path)]
    if not fresh:
        write_json(directory / CACHE, now)
    return {path: str(held[1]) for path, held in now.items()}


def write_digests(records: list[Record], digests: dict[str, str], table: Path, root: Path) -> None:
    """Write a row an output: digest, size, rule, times, settings, code digests."""
    lines = ["\t".join(COLUMNS)]
    for record in records:
        size = (root / record.output).stat().st_size
        row = [record.output, digests[record.output], size, record.rule, record.started]
        lines.append("\t".join(map(str, [*row, record.ended, record.settings, record.code])))
    write_text(table, "\n".join(lines) + "\n")


def changed_since(table: Path, directory: Path) -> Iterator[tuple[str, str]]:
    """Yield (output, what became of it) for each that is not as `table` says; reads every byte."""
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    there = [row[0] for row in rows if (directory / row[0]).is_file()]
    digests = digests_of(there, directory, fresh=True)
    for output, digest, *_ in rows:
        if output not in digests:
            yield output, "is gone"
        elif digests[output] != digest:
            yield output, "was changed by hand"


def write_crate(
    records: list[Record], digests: dict[str, str], *, folder: Path, config: str
) -> None:
    """Write `ro-crate-metadata.json`, a copy of the Snakefile and `config.json` into `folder`.

    Inputs are named by their digests: file names of a hospital may carry names of people.
    """
    from rocrate.rocrate import ROCrate

    write_text(folder / "Snakefile", SNAKEFILE.read_text(encoding="utf-8"))
    write_json(folder / "config.json", json.loads(config))
    crate = ROCrate(version="1.1")
    crate.name = "A run of liverseg"
    crate.description = "Liver segmentation from CTs: models, masks, surfaces, scores and a report."
    crate.license = "https://www.apache.org/licenses/LICENSE-2.0"
    crate.root_dataset["conformsTo"] = _profiles(crate)
    _describe(crate, records, digests, folder)
    _normalise_dates(crate, records)
    write_json(folder / "ro-crate-metadata.json", crate.metadata.generate())


def _profiles(crate: "ROCrate") -> list[Any]:
    from rocrate.model import ContextEntity

    profiles = ((url, *url.split("/")[-2:]) for url in PROFILES)
    return [
        crate.add(
            ContextEntity(crate, url, {"@type": "CreativeWork", "name": name, "version": version})
        )
        for url, name, version in profiles
    ]


def _normalise_dates(crate: "ROCrate", records: list[Record]) -> None:
    # The crate is dated by the run, not by its writing, so that writing it again changes nothing.
    ended = max((record.ended for record in records), default=_time(0))
    crate.root_dataset["datePublished"] = ended


def _describe(
    crate: "ROCrate", records: list[Record], digests: dict[str, str], folder: Path
) -> None:
    from rocrate.model import ComputationalWorkflow, ContextEntity, Person

    language = crate.add(
        ContextEntity(
            crate,
            "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
            {
                "@type": "ComputerLanguage",
                "name": "Snakemake",
                "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
                "url": {"@id": "https://snakemake.readthedocs.io"},
                "version": metadata.version("snakemake"),
            },
        )
    )
    workflow = crate.add(
        ComputationalWorkflow(
            crate, folder / "Snakefile", "Snakefile", properties={"name": "liverseg"}
        )
    )
    workflow["programmingLanguage"] = language
    crate.mainEntity = workflow
    agent = crate.add(Person(crate, "#operator", {"name": "the operator of the run"}))
    config = _file(crate, "config.json", sha256(folder / "config.json"), "settings of the run")
    inputs = [config, *_inputs(crate, records)]
    outputs = [
        _file(
            crate, f"../{r.output.removeprefix('results/')}", digests[r.output], f"made by {r.rule}"
        )
        for r in records
    ]
    action = {
        "@type": "CreateAction",
        "name": "snakemake, the whole workflow",
        "startTime": min((record.started for record in records), default=_time(0)),
        "endTime": max((record.ended for record in records), default=_time(0)),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    run = crate.add(ContextEntity(crate, "#run", action))
    run["instrument"], run["agent"] = workflow, agent
    run["object"], run["result"] = inputs, outputs
    run["softwareRequirements"] = _software(crate)
    crate.root_dataset["mentions"] = [run]


def _file(crate: "ROCrate", name: str, digest: str | None, description: str) -> Any:
    from rocrate.model import ContextEntity

    values = {"@type": "File", "name": Path(name).name, "description": description}
    entity = crate.add(ContextEntity(crate, name, values))
    if digest:
        entity["sha256"] = digest
    crate.root_dataset.append_to("hasPart", entity)
    return entity


def _inputs(crate: "ROCrate", records: list[Record]) -> list[Any]:
    digests = {digest for record in records for digest in record.inputs.values() if digest}
    return [
        _file(crate, f"urn:sha256:{digest}", digest, "CT or label") for digest in sorted(digests)
    ]


def _software(crate: "ROCrate") -> list[Any]:
    from rocrate.model import ContextEntity

    versions = {name: metadata.version(name) for name in DISTRIBUTIONS if _installed(name)}
    versions["python"] = sys.version.split()[0]
    return [
        crate.add(
            ContextEntity(
                crate,
                f"#{name}",
                {"@type": "SoftwareApplication", "name": name, "softwareVersion": version},
            )
        )
        for name, version in sorted(versions.items())
    ]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def main() -> int:
    """Check the outputs of the run in this folder against its record; 1 if any was changed."""
    table = Path("results/provenance/digests.tsv")
    if not table.is_file():
        print(f"{table} is missing: it is written at the end of a run", file=sys.stderr)
        return 1
    changed = list(changed_since(table, Path()))
    for output, what in changed:
        print(f"{output} {what}")
    print(f"{len(changed)} outputs are not as the run left them" if changed else "all as recorded")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
