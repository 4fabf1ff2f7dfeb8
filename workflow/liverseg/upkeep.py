"""After a crash: make sure that nobody works here, tidy up, and go on."""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from workflow.liverseg.ended_trainings import forget_ended
from workflow.liverseg.errors import LiversegError, fault, is_users_own
from workflow.liverseg.files import UNFINISHED, write_json
from workflow.liverseg.last_call import (
    check_makes_nothing_anew,
    check_same_settings,
    is_dry_run,
    last_call,
    names_directory,
    nothing_recorded,
    record_call,
    record_lost_bundles,
    with_options,
)
from workflow.liverseg.leases import LEASES, living_elsewhere, started
from workflow.liverseg.queued_jobs import queued_jobs
from workflow.liverseg.snakemake_records import INCOMPLETE, METADATA, read_record, records

LOCKS = Path(".snakemake/locks")
DRIVERS = Path(".snakemake/liverseg/drivers")  # a record each: with --nolock there may be several


def driver_starts(directory: Path) -> str | None:
    """Write down that this process drives the run in `directory`; say which other one does, too.

    LiversegError when jobs of one that is gone are still at work, or have left outputs that nobody
    recorded: whoever holds Snakemake's lock is alone, whatever record another has left.
    """
    other = next(_drivers_by_record(directory), None)
    if "--nolock" not in sys.argv:
        _check_no_job_works(directory)
        if other is None:
            _check_all_recorded(directory)
    record_call(directory, sys.argv[1:])
    host, pid = socket.gethostname(), os.getpid()
    write_json(own_record(directory), {"host": host, "pid": pid, "started": started(pid)})
    return other


def driver_ends(directory: Path) -> None:
    """Take back that this process is a driver, and nobody else's record: all is made and recorded.

    How it was called stays written down for `resume`.
    """
    forget_ended(directory)
    own_record(directory).unlink(missing_ok=True)


def driver_fails(directory: Path, lost_bundles: Sequence[str], *, keep: bool = False) -> None:
    """Take back that this process is a driver, after a failure or the user's Ctrl-C.

    The bundles of jobs that it lost are written down for `resume`. What the jobs that Ctrl-C ended
    leave is removed, as Snakemake does after a failure: the same command then goes on. Not where
    the user asked to `keep` it, nor beside another driver, whose jobs are at work.
    """
    record_lost_bundles(directory, list(lost_bundles))
    own_record(directory).unlink(missing_ok=True)
    if keep or "--nolock" in sys.argv or any(_drivers_by_record(directory)):
        return
    # Else somebody still writes, or may: a new start says so, and what is to be done.
    with contextlib.suppress(LiversegError):
        _check_no_job_works(directory)
        remove_unrecorded(directory)


def own_record(directory: Path) -> Path:
    """Where this process writes down that it is a driver."""
    return directory / DRIVERS / f"{socket.gethostname()}-{os.getpid()}.json"


def living_driver(directory: Path) -> str | None:
    """Say which Snakemake drives a run in `directory`; None when it is certain that none does.

    Found by the record that a driver leaves and by the working folders of all processes. A driver
    on another machine cannot be seen from here: its record stands until it ends or is removed.
    """
    if pid := next(_drivers_by_folder(directory.resolve()), None):
        return f"process {pid} on {socket.gethostname()}"
    return next(_drivers_by_record(directory), None)


def _drivers_by_record(directory: Path) -> Iterator[str]:
    for path in sorted((directory / DRIVERS).glob("*.json")):
        driver = json.loads(path.read_text())
        here = driver["host"] == socket.gethostname()
        if not here or started(driver["pid"]) == driver["started"]:
            yield f"process {driver['pid']} on {driver['host']}"


def _drivers_by_folder(directory: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").readlink() != directory:
                continue
        except OSError:
            continue
        names = {Path(os.fsdecode(word)).name for word in command[:3]}
        if "snakemake" in names and int(process.name) != os.getpid():
            yield int(process.name)


def resume(command: list[str], directory: Path, cores: str | None = None) -> int:
    """Unlock, remove half-written files, and go on with a Snakemake call; its exit status.

    `command` is the call; empty: that of the last run in `directory`, with its own arguments, and
    `cores`, where it says so.
    LiversegError when a run is at work in `directory`, when the command names another
    configuration than that run's, and when there is no command and no run is recorded.
    """
    _check_nobody_works(directory)
    last = last_call(directory)
    if last and command:
        check_same_settings(last, command, directory)
    if not is_dry_run(command):
        _tidy(directory)
    if not command and last is None:
        raise nothing_recorded()
    if not command and last:
        check_makes_nothing_anew(last)
    place = Path.cwd() if names_directory(command) else directory
    if last and not command:
        command, place = last.command(), Path(last.place)
        command = with_options(command, *(["--cores", cores] if cores else []))
    program = command[0]
    if Path(program).name != program:  # a path is meant from here, not from the run's folder
        program = str(Path(program).absolute())
    again = [] if "--rerun-incomplete" in command else ["--rerun-incomplete"]
    command = with_options([program, *command[1:]], *again)
    print("going on with:", shlex.join(command), flush=True)
    return subprocess.run(command, cwd=place).returncode


def _tidy(directory: Path) -> None:
    removed = remove_unfinished(directory)
    if removed:
        print(f"removed {len(removed)} half-written file(s) of the interrupted run")
    if unrecorded := [*remove_unrecorded(directory), *remove_cut_off(directory)]:
        print(f"removed {len(unrecorded)} output(s) that the interrupted run had not yet recorded")
    locks = directory / LOCKS
    if locks.is_dir() and any(locks.iterdir()):
        for lock in locks.iterdir():
            lock.unlink()
        print("unlocked the folder: the run that held it is gone")
    shutil.rmtree(directory / DRIVERS, ignore_errors=True)


def _check_nobody_works(directory: Path) -> None:
    if driver := living_driver(directory):
        raise fault(
            found=f"a run is at work in this folder: {driver}",
            remedy="wait for it or end it; if it runs on a machine that is gone, remove its record "
            f"in {DRIVERS}",
        )
    _check_no_job_works(directory)


def _check_no_job_works(directory: Path) -> None:
    holders = living_elsewhere(directory / LEASES)
    jobs = [f"{holder.slurm_job or holder.pid} on {holder.host}" for holder in holders]
    held = {holder.slurm_job for holder in holders}
    jobs += [f"{job} in the queue" for job in queued_jobs(directory) if job not in held]
    if jobs:
        raise fault(
            found=f"jobs of the interrupted run are still at work: {', '.join(jobs)}",
            remedy="wait for them or cancel them (scancel), then start again",
        )


def remove_unfinished(directory: Path) -> list[Path]:
    """Remove what killed writers left under `results/` and in the folder of the leases."""
    found = list((directory / "results").rglob(f"{UNFINISHED}*"))
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return found


def unrecorded_outputs(directory: Path) -> list[Path]:
    """Outputs of jobs that ended, or were at work, when their driver died.

    Snakemake makes them again by itself only where no checkpoint stands before them: at its start
    the jobs behind one are not yet planned (snakemake 9.27, `DAG.check_incomplete`).
    """
    marked = (name for name, _ in records(directory / INCOMPLETE) if not is_users_own(name))
    return [path for name in sorted(marked) if (path := directory / name).exists()]


def unrecorded_note(directory: Path) -> LiversegError | None:
    """What to say of outputs that nobody recorded; None without any, and while a run is at work."""
    locks = directory / LOCKS
    left = unrecorded_outputs(directory)
    if not left or (locks.is_dir() and any(locks.iterdir())):
        return None
    return _unrecorded(left, directory)


def _unrecorded(left: list[Path], directory: Path) -> LiversegError:
    return fault(
        found=f"{len(left)} output(s) that jobs left when an earlier run died, such as "
        f"{left[0].relative_to(directory)}",
        expected="outputs whose making is recorded: these would never be made again",
        remedy="go on with `make resume`, which makes them anew",
    )


def _check_all_recorded(directory: Path) -> None:
    if left := unrecorded_outputs(directory):
        raise _unrecorded(left, directory)


def remove_unrecorded(directory: Path) -> list[Path]:
    """Remove what no driver recorded, so that it is made again, and Snakemake's marks of it."""
    left = unrecorded_outputs(directory)
    for path in left:
        _remove(path)
    marks = directory / INCOMPLETE  # without this folder Snakemake takes all records for old ones
    for mark in marks.iterdir() if marks.is_dir() else ():
        _remove(mark)
    return left


def remove_cut_off(directory: Path) -> list[Path]:
    """Remove the outputs whose record a power cut has emptied, and then the record."""
    cut = [one for one in records(directory / METADATA) if read_record(one[1]) is None]
    left = [directory / output for output, _ in cut if not is_users_own(output)]
    left = [path for path in left if path.exists()]
    for path in left:
        _remove(path)
    for _, record in cut:
        record.unlink(missing_ok=True)
    return left


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def clean(directory: Path) -> None:
    """Remove every result and Snakemake's memory of them; inputs and settings stay."""
    _check_nobody_works(directory)
    results = directory / "results"
    for path in results.iterdir() if results.is_dir() else ():
        if path.name != "README.md":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(directory / ".snakemake", ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run `resume [-- snakemake …]` or `clean`."""
    parser = argparse.ArgumentParser(prog="python -m workflow.liverseg.upkeep", description=__doc__)
    parser.add_argument("do", choices=["resume", "clean"])
    parser.add_argument("--directory", type=Path, default=Path(), help="of the run; default: here")
    parser.add_argument("--cores", help="instead of the last run's")
    parser.epilog = "After `--` stands the Snakemake call; without one, that of the last run."
    split = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, command = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    try:
        if chosen.do == "clean":
            clean(chosen.directory)
            return 0
        return resume(command, chosen.directory, chosen.cores)
    except LiversegError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
