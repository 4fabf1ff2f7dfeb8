"""What every job does around its work: its log, its death with the driver, its arguments."""

import contextlib
import inspect
import json
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from workflow.liverseg.errors import NOT_NAMED, LiversegError, fault, is_users_own
from workflow.liverseg.files import has_no_room, is_disk_full, room_at
from workflow.liverseg.gpu_slots import own_gpus
from workflow.liverseg.job_notes import note_job
from workflow.liverseg.leases import LEASES, lease

DRIVER = "LIVERSEG_DRIVER"  # pid of the Snakemake process that started this job


def prepare_jobs(root: Path) -> None:
    """Let scripts find `workflow.liverseg` below `root`, and know this process, which starts them.

    Called once by the rule files; what is set here reaches each job through its environment.
    """
    paths = [str(root), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ[DRIVER] = str(os.getpid())


def run_job(snakemake: Any, main: Callable[..., None]) -> None:
    """Call `main` with what the rule gives under its parameters' names.

    A name is looked up among inputs, outputs, wildcards and params, then `threads` and resources;
    files arrive as Path or list[Path], `settings` parsed from its JSON. All that is printed goes
    to the rule's log; an error ends the job with the traceback in the log, where the paths of
    the user's files, which often hold a name, are left out.
    """
    die_with_driver()
    log = Path(snakemake.log[0])
    started = time.time()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with _logging_to(log):
            _work(snakemake, main, started)
    except OSError as error:
        if not is_disk_full(error):
            raise
        # The log has no room for it either: the user must see it elsewhere.
        print(_without_names(error, _all_inputs(snakemake.input)), file=sys.stderr, end="")
        print(_no_room(snakemake), file=sys.stderr)
        raise SystemExit(1) from error


def _work(snakemake: Any, main: Callable[..., None], started: float) -> None:
    try:
        gpus = int(snakemake.resources.get("gpu", 0) or 0)
        with lease(list(snakemake.output)), own_gpus(gpus):
            main(**_arguments(snakemake, main))
            _note(snakemake, started)
    except Exception as error:
        print(_without_names(error, _all_inputs(snakemake.input)), file=sys.stderr, end="")
        if is_disk_full(error) and not isinstance(error, LiversegError):
            print(_no_room(snakemake), file=sys.stderr)
        # Snakemake shows the log of a failed job; a second traceback would bury it.
        raise SystemExit(1) from error
    except BaseException:
        traceback.print_exc()
        raise


def _no_room(snakemake: Any) -> LiversegError:
    """What to say when a job finds a disk full outside the writing of an output."""
    files = [snakemake.log[0], *snakemake.output, str(LEASES / "lease")]
    places = dict.fromkeys(Path(file).parent for file in files)
    full = [place for place in places if has_no_room(place)]
    return fault(
        expected="space on the disk for the job's log, lease and outputs",
        found="no space left, or a quota used up: "
        + "; ".join(f"{place}: {room_at(place)}" for place in full or places),
        remedy="make room, or run in another place with --directory, then start again",
    )


def _note(snakemake: Any, started: float) -> None:
    params = snakemake.params
    note_job(
        rule=snakemake.rule,
        started=started,
        settings=str(params.get("settings", "{}")),
        code=params.get("code", []),
        outputs=list(snakemake.output),
    )


def _all_inputs(files: Iterable[Any]) -> list[str]:
    return [str(path) for value in files for path in ([value] if isinstance(value, str) else value)]


def _without_names(error: BaseException, inputs: Iterable[str]) -> str:
    """Format an error's traceback without the paths of the user's files and their folders."""
    text = "".join(traceback.format_exception(error))
    own = {path for path in inputs if is_users_own(path)}
    folders = {str(Path(path).parent) for path in own} - {".", "/"}
    for path in sorted(own | folders, key=len, reverse=True):
        text = text.replace(path, NOT_NAMED)
    return text


def die_with_driver() -> None:
    """End this process at once when the local Snakemake process that started it is gone.

    Otherwise a job outlives a killed driver and writes while its successor does. On a cluster
    the driver is the job's own Snakemake, on the same node.
    """
    driver = os.environ.get(DRIVER)
    if driver is not None:
        die_with(int(driver))


def die_with(process: int) -> None:
    """End this process at once when that one is gone."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        os._exit(1)

    def watch() -> None:
        select.select([handle], [], [])
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="driver-watch").start()


_kept_stderr: list[int] = []


def terminal() -> TextIO | None:
    """The terminal the user looks at while this job's prints go to its log; None without one."""
    descriptor = _kept_stderr[-1] if _kept_stderr else 2
    if not os.isatty(descriptor):
        return None
    return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", buffering=1)


@contextlib.contextmanager
def _logging_to(log: Path) -> Iterator[None]:
    # The descriptors themselves, so that what C++ libraries print lands in the log as well.
    with log.open("w", encoding="utf-8", buffering=1) as stream:
        sys.stdout.flush()
        sys.stderr.flush()
        kept = os.dup(1), os.dup(2)
        _kept_stderr.append(kept[1])
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        try:
            yield
        finally:
            _kept_stderr.pop()
            for words in (sys.stdout, sys.stderr):
                # Of a full disk it is told once the user can read it.
                with contextlib.suppress(OSError):
                    words.flush()
            for descriptor, original in enumerate(kept, start=1):
                os.dup2(original, descriptor)
                os.close(original)


def _arguments(snakemake: Any, main: Callable[..., None]) -> dict[str, Any]:
    params = dict(snakemake.params.items())
    if "settings" in params:
        params["settings"] = json.loads(params["settings"])
    values: dict[str, Any] = {}
    for name in inspect.signature(main).parameters:
        for files in (snakemake.input, snakemake.output):
            if name in files.keys():  # noqa: SIM118
                values[name] = _paths(files[name])
                break
        else:
            for group in (snakemake.wildcards, params, snakemake.resources):
                if name in group.keys():  # noqa: SIM118
                    values[name] = group[name]
                    break
            else:
                if name != "threads":
                    raise KeyError(f"rule {snakemake.rule} gives no `{name}` that main() asks for")
                values[name] = snakemake.threads
    return values


def _paths(value: Any) -> Path | list[Path]:
    return Path(value) if isinstance(value, str) else [Path(path) for path in value]
