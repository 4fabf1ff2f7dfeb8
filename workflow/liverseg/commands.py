"""The calls of Snakemake that a run was made with, for its record; the user's paths left out."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from workflow.liverseg.errors import NOT_NAMED, is_users_own
from workflow.liverseg.files import read_json, write_json

OWN = ("Snakefile", "config", "profiles", "workflow")  # of a checkout, where data may lie as well
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
    if not is_users_own(word):
        return word
    option, equals, value = word.rpartition("=")
    # A relative path is one from the run's folder or from where Snakemake was called.
    places = (directory, Path(os.environ.get("PWD", directory)))
    there = [path for place in places if _exists(path := place / Path(value).expanduser())]
    for part in OWN:
        if value and there and there[0].resolve().is_relative_to((root / part).resolve()):
            return f"{option}{equals}{os.path.relpath(there[0].resolve(), root.resolve())}"
    named = value and (there or os.sep in value)
    return f"{option}{equals}{NOT_NAMED if named else value}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a name: settings in words
        return False
