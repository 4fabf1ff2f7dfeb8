"""After a crash: make sure that nobody works here, tidy up, and go on."""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.files import UNFINISHED, write_json
from workflow.liverseg.leases import living_elsewhere, started

DRIVERS = Path(".snakemake/liverseg/drivers")  # a record each: with --nolock there may be several


def driver_starts(directory: Path) -> str | None:
    """Write down that this process drives the run in `directory`; say which other one does, too."""
    other = next(_drivers_by_record(directory), None)
    host, pid = socket.gethostname(), os.getpid()
    write_json(own_record(directory), {"host": host, "pid": pid, "started": started(pid)})
    return other


def driver_ends(directory: Path) -> None:
    """Take back what `driver_starts` wrote down, and nobody else's record."""
    own_record(directory).unlink(missing_ok=True)


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


def resume(command: list[str], directory: Path) -> int:
    """Unlock, remove half-written files, and run `command`, a Snakemake call; its exit status.

    LiversegError when a run is at work in `directory`.
    """
    _check_nobody_works(directory)
    removed = remove_unfinished(directory)
    if removed:
        print(f"removed {len(removed)} half-written file(s) of the interrupted run")
    locks = directory / ".snakemake/locks"
    if locks.is_dir() and any(locks.iterdir()):
        for lock in locks.iterdir():
            lock.unlink()
        print("unlocked the folder: the run that held it is gone")
    shutil.rmtree(directory / DRIVERS, ignore_errors=True)
    program = command[0]
    if Path(program).name != program:  # a path is meant from here, not from the run's folder
        program = str(Path(program).absolute())
    return subprocess.run([program, *command[1:], "--rerun-incomplete"], cwd=directory).returncode


def _check_nobody_works(directory: Path) -> None:
    if driver := living_driver(directory):
        raise fault(
            found=f"a run is at work in this folder: {driver}",
            remedy="wait for it or end it; if it runs on a machine that is gone, remove its record "
            f"in {DRIVERS}",
        )
    if holders := living_elsewhere(directory / ".snakemake/liverseg/leases"):
        jobs = ", ".join(f"{holder.slurm_job or holder.pid} on {holder.host}" for holder in holders)
        raise fault(
            found=f"jobs of the interrupted run are still at work: {jobs}",
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
    parser.epilog = "After `--` stands the Snakemake call to go on with."
    split = arguments.index("--") if "--" in arguments else len(arguments)
    chosen, command = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    try:
        if chosen.do == "clean":
            clean(chosen.directory)
            return 0
        return resume(command or ["snakemake", "--cores", "all"], chosen.directory)
    except LiversegError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
