"""The calls of Snakemake that a run was made with, for its record; the user's paths left out."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflow.liverseg.errors import NOT_NAMED
from workflow.liverseg.files import read_json, write_json

COMMANDS = Path(".snakemake/liverseg/commands.json")


def note_command(words: Sequence[str], directory: Path, root: Path) -> None:
    """Add a call (its words, the program first) to those that have worked in `directory`.

    `root` holds the workflow: its own files are named, as they say what was run.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    call = " ".join(["snakemake", *(_shown(word, directory, root) for word in words[1:])])
    write_json(directory / COMMANDS, [*read_commands(directory), f"{now} {call}"])


def read_commands(directory: Path) -> list[str]:
    """The calls that have worked in `directory`, each after its time in UTC, the oldest first."""
    path = directory / COMMANDS
    return read_json(path) if path.is_file() else []


def _shown(word: str, directory: Path, root: Path) -> str:
    option, equals, value = word.rpartition("=")
    path = directory / Path(value).expanduser()
    if path.resolve().is_relative_to(root.resolve()) and path.exists():
        return f"{option}{equals}{os.path.relpath(path, root)}"
    named = os.sep in value.removeprefix("results/") or path.exists()
    return f"{option}{equals}{NOT_NAMED if named else value}"
