"""What each job notes down when it ends: digests of what it made, its settings, code and times.

Snakemake's own records hold no digest of an output: what was edited before the run had ended could
not be told from what a job made. The notes are written by the jobs themselves.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow.liverseg.files import UNFINISHED, read_json, sha256, write_text

NOTES = Path(".snakemake/liverseg/notes")


@dataclass(frozen=True)
class JobNote:
    """One job; times in seconds since 1970, `outputs` maps each path to its SHA-256."""

    rule: str
    started: float
    ended: float
    settings: str
    code: list[str]
    outputs: dict[str, str]


def note_job(
    *, rule: str, started: float, settings: str, code: Sequence[str], outputs: Sequence[str]
) -> None:
    """Write the note of a job that has just made its outputs; it replaces that of the last time."""
    made = {path: sha256(Path(path)) for path in sorted(outputs) if Path(path).is_file()}
    note = JobNote(rule, started, time.time(), settings, list(code), made)
    name = hashlib.sha256("\n".join(sorted(outputs)).encode()).hexdigest()[:24]
    write_text(NOTES / f"{name}.json", json.dumps(asdict(note)))


def read_notes(directory: Path) -> dict[str, JobNote]:
    """Map each output to the note of the job that made it last."""
    paths = (directory / NOTES).glob("*.json")
    notes = [JobNote(**read_json(path)) for path in paths if not path.name.startswith(UNFINISHED)]
    notes.sort(key=lambda note: note.ended)
    return {output: note for note in notes for output in note.outputs}
