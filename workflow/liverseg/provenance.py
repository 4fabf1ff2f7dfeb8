"""Where results came from: what Snakemake recorded of each output, and what its job noted."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow.liverseg.errors import is_users_own
from workflow.liverseg.files import write_text
from workflow.liverseg.job_notes import JobNote, read_notes
from workflow.liverseg.snakemake_records import METADATA, read_record, records

COLUMNS = ("output", "sha256", "bytes", "rule", "started", "ended", "settings", "code")


@dataclass(frozen=True)
class Record:
    """One output; times in UTC, `sha256` as its job left it, None where no job noted it.

    `job` is one for all outputs of a job. `made_from` are the results that its job read, `inputs`
    maps the user's own files that it read to their SHA-256, None for one that is too large for
    Snakemake to digest.
    """

    output: str
    rule: str
    started: str
    ended: str
    settings: str = "{}"
    code: str = ""
    sha256: str | None = None
    job: str = ""
    made_from: tuple[str, ...] = ()
    inputs: dict[str, str | None] = field(default_factory=dict)


def read_records(directory: Path) -> list[Record]:
    """Read what is known about each output under `results/` that exists, by output."""
    notes = read_notes(directory)
    found = []
    for output, path in records(directory / METADATA):
        if is_users_own(output) or not (directory / output).is_file():
            continue
        if noted := read_record(path):
            found.append(_record(output, noted, notes.get(output)))
    return sorted(found, key=lambda record: record.output)


def _record(output: str, noted: dict[str, Any], note: JobNote | None) -> Record:
    read = noted.get("input") or []
    sums = noted.get("input_checksums") or {}
    own = [path for path in read if is_users_own(path)]
    inputs = {path: (sums.get(path) or "").partition(":")[2] or None for path in own}
    made_from = tuple(path for path in read if not is_users_own(path))
    if note is None:
        times = _time(noted["starttime"]), _time(noted["endtime"])
        return Record(output, noted["rule"], *times, made_from=made_from, inputs=inputs)
    return Record(
        output=output,
        rule=note.rule,
        started=_time(note.started),
        ended=_time(note.ended),
        settings=note.settings,
        code=" ".join(note.code),
        sha256=note.outputs[output],
        job=min(note.outputs),
        made_from=made_from,
        inputs=inputs,
    )


def _time(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or 0, UTC).isoformat(timespec="seconds")


def write_digests(records: list[Record], table: Path, root: Path) -> None:
    """Write a row an output: digest, size, rule, times, settings, code digests."""
    lines = ["\t".join(COLUMNS)]
    for record in records:
        size = (root / record.output).stat().st_size
        row = [record.output, record.sha256 or "", size, record.rule, record.started]
        lines.append("\t".join(map(str, [*row, record.ended, record.settings, record.code])))
    write_text(table, "\n".join(lines) + "\n")


def read_digests(table: Path) -> dict[str, str]:
    """Map each output of the table to its digest; an empty one where none was noted."""
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    return {row[0]: row[1] for row in rows}
