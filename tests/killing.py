"""Kill a tiny training again and again, wherever it is, and let it end: a test's helper.

Run as a program: it forks, so nothing that starts threads may have run before.
"""

import itertools
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch

from tests.tiny_training import files_in, resume_root, tiny_settings
from workflow.liverseg import model_files
from workflow.liverseg import training as loop
from workflow.liverseg.checkpoints import ResumeFolder
from workflow.liverseg.files import sha256
from workflow.liverseg.training_events import EventFile
from workflow.liverseg.training_run import run_training

# How many kills strike where. A write has four doings, a saved state two writes and more.
PLACES = {"write": 12, "step": 3, "validation": 3, "epoch": 3, "end": 2, "time": 2}
DOINGS = {"write": 60, "step": 4, "validation": 2, "epoch": 2, "end": 1}
SECONDS = 0.3


@dataclass(frozen=True)
class Kill:
    """Strikes at the `at`-th doing at `place` of one attempt, or `at` seconds after its first step.

    place: `write` (its bytes half there, before its renaming, after it …), `step`, `validation`,
    `epoch` (its row made), `end` (noted as ended, the job is not), `time`.
    """

    place: str
    at: float


def train(root: Path, kill: Kill) -> None:
    """Train to the end, or die of `kill`."""
    _prepare(kill)
    files = files_in(root, "killed")
    run_training(files, name="tiny", settings=tiny_settings(), resume_root=resume_root(files))


def _prepare(kill: Kill) -> None:
    doings = itertools.count(1)

    def counted(doing: Callable, *, halve: bool = False) -> Callable:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            try:
                return doing(*arguments, **named)
            finally:  # also where it fails: what is unlinked is often there no longer
                if next(doings) >= kill.at:
                    if halve:  # as a kill in the middle of the bytes would leave it
                        os.truncate(arguments[1], Path(arguments[1]).stat().st_size // 2)
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrapped

    def timed(doing: Callable) -> Callable:
        def wrapped(*arguments: Any) -> Any:
            if next(doings) == 1:
                signal.setitimer(signal.ITIMER_REAL, kill.at)  # nobody handles it: it kills
            return doing(*arguments)

        return wrapped

    match kill.place:
        case "write":
            model_files.save_file = counted(safetensors.torch.save_file, halve=True)
            os.replace, os.fsync, os.unlink = map(counted, (os.replace, os.fsync, os.unlink))
        case "step":
            loop.deeply_supervised = counted(loop.deeply_supervised)
        case "validation":
            loop.validate = counted(loop.validate)
        case "epoch":
            EventFile.update = counted(EventFile.update)
        case "end":
            ResumeFolder.end = counted(ResumeFolder.end)
        case "time":
            loop.deeply_supervised = timed(loop.deeply_supervised)


def attempt(root: Path, kill: Kill) -> bool:
    """Train in a child of its own; whether it was killed. SystemExit where it fails by itself."""
    child = os.fork()
    if child == 0:
        try:
            train(root, kill)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if status and not os.WIFSIGNALED(status):
        raise SystemExit(f"a training that had been killed failed, waiting for {kill}")
    return status != 0


def chosen() -> list[Kill]:
    """The kills, in a drawn order."""
    draws = random.Random(11)
    kills = [
        Kill(
            place, draws.randint(1, DOINGS[place]) if place in DOINGS else draws.random() * SECONDS
        )
        for place, number in PLACES.items()
        for _ in range(number)
    ]
    return draws.sample(kills, len(kills))


def main(root: Path) -> None:
    """Let every kill strike; prints where each did, and what each training that ended has made.

    A training that ends before a kill strikes is cleared away, and the kill waits in the next.
    """
    folder = root / "killed"
    struck, ended = [], []
    for kill in [*chosen(), Kill("nowhere", 0)]:
        while not attempt(root, kill):
            ended.append({path.name: sha256(path) for path in folder.glob("[!.]*")})
            shutil.rmtree(folder)
            if kill.place == "nowhere":
                break
        else:
            struck.append((kill.place, _newest_step(folder)))
            for output in folder.glob("[!.]*"):  # as Snakemake does before it starts a job again
                output.unlink()
    print(json.dumps({"struck": struck, "ended": ended}))


def _newest_step(folder: Path) -> int:
    """The step that a training which was killed will go on from, if its last state is whole."""
    names = [path.name for path in folder.glob(".resume/*/[!.]*.sha256")]
    return int(max(names)[4:13]) if names else 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
