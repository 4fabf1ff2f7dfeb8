"""The call that a run was started with: written down, so that going on means the same run."""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.files import read_json, write_json

CALL = Path(".snakemake/liverseg/last_call.json")


@dataclass(frozen=True)
class Call:
    """Snakemake's arguments, and the folder that relative paths among them start from.

    `lost_bundles`: groups of jobs that the run lost on a cluster for the fault of one of them.
    """

    arguments: list[str]
    place: str
    lost_bundles: list[str]

    def command(self) -> list[str]:
        """The call again; the patients of lost bundles are sent one by one."""
        alone = [f"{group}=1" for group in self.lost_bundles]
        grouping = ["--group-components", *alone] if alone else []
        return with_options([sys.executable, "-m", "snakemake", *self.arguments], *grouping)


def with_options(command: list[str], *options: str) -> list[str]:
    """The command with more options: after a `--` they would be taken for targets."""
    end = command.index("--") if "--" in command else len(command)
    return [*command[:end], *options, *command[end:]]


def is_dry_run(command: list[str]) -> bool:
    """Whether a Snakemake call only says what would be done."""
    return _options(command).dryrun


def record_call(directory: Path, arguments: list[str]) -> None:
    """Write down how this process, which drives the run in `directory`, was called.

    Not a call that only accepts what is there: it is no run to go on with.
    """
    if {"--touch", "-t"} & set(arguments):
        return
    place = _called_from(directory.resolve(), arguments)
    _write(directory, Call(arguments=arguments, place=str(place), lost_bundles=[]))


def record_lost_bundles(directory: Path, groups: list[str]) -> None:
    """Add to the record which bundles the run has lost."""
    if groups and (call := last_call(directory)):
        _write(directory, Call(call.arguments, call.place, groups))


def last_call(directory: Path) -> Call | None:
    """The call of the last run in `directory`; None where none was written down."""
    path = directory / CALL
    return Call(**read_json(path)) if path.is_file() else None


def check_same_settings(call: Call, command: list[str], directory: Path) -> None:
    """LiversegError when `command`, given here, names another configuration than the last run."""
    before = _configuration(call.arguments, Path(call.place))
    now = _configuration(command, Path.cwd() if names_directory(command) else directory)
    if before != now:
        raise fault(
            expected=f"the configuration that the run was started with: {_told(before)}",
            found=_told(now),
            remedy="go on without ARGS, which takes the run's own; to give it up and change the "
            "settings, call snakemake with the new ones: first with --unlock, then without",
        )


def check_makes_nothing_anew(call: Call) -> None:
    """LiversegError when the call was told to make again what is there: it would once more."""
    options = _options(call.arguments)
    forced = {
        "--force": options.force,
        "--forceall": options.forceall,
        "--forcerun": options.forcerun,
    }
    if told := [option for option, is_told in forced.items() if is_told]:
        raise fault(
            found=f"the run was started with {' '.join(told)}, which would make again what is done",
            remedy="name the options without it: "
            'make resume DIR=… ARGS="--configfile … --config …"',
        )


def names_directory(command: list[str]) -> bool:
    """Whether a Snakemake call says itself where it works."""
    return _options(command).directory is not None


def nothing_recorded() -> LiversegError:
    """What to say where a run is to go on of which nothing is known."""
    return fault(
        found="no run is recorded in this folder: it was killed before its first job, or never "
        "started; the folder is tidied",
        remedy="start it with the command of the first time, or name its options: "
        'make resume DIR=… ARGS="--configfile … --config …"',
    )


def _write(directory: Path, call: Call) -> None:
    write_json(directory / CALL, asdict(call))


def _options(arguments: list[str]) -> argparse.Namespace:
    """The arguments as Snakemake itself understands them.

    Importing its parser takes a second; a driver has done so before.
    """
    from snakemake.cli import get_argument_parser

    return get_argument_parser().parse_known_args(arguments)[0]


def _configuration(arguments: list[str], place: Path) -> tuple[list[str], dict[str, str]]:
    options = _options(arguments)
    files = [os.path.normpath(place / file) for file in options.configfile]
    pairs = (pair.partition("=") for pair in options.config or [])
    return files, {key: value for key, _, value in pairs}


def _told(configuration: tuple[list[str], dict[str, str]]) -> str:
    files, values = configuration
    words = [f"--configfile {file}" for file in files]
    words += [f"--config {key}={value}" for key, value in values.items()]
    return " ".join(words) or "none but the workflow's own"


def _called_from(directory: Path, arguments: list[str]) -> Path:
    """The folder that Snakemake was called in: it has gone to `directory` since.

    The first of the likely ones from which the call's relative paths lead where they should.
    """
    options = _options(arguments)
    if options.directory is None:
        return directory
    for place in _likely_places():
        there = (place / options.directory).resolve() == directory
        if there and all((place / file).exists() for file in options.configfile):
            return place
    return directory


def _likely_places() -> Iterator[Path]:
    if "PWD" in os.environ:  # of the shell; a program may have started this one elsewhere
        yield Path(os.environ["PWD"])
    try:
        yield Path(f"/proc/{os.getppid()}/cwd").readlink()
    except OSError:  # no /proc, or another user's
        return
