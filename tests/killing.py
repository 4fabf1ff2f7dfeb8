"""Kill a tiny training again and again, inside its writes too, then let it end: a test's helper.

Run as a program: it forks, so nothing that starts threads may have run before.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import safetensors.torch

from tests.tiny_training import files_in, resume_root, tiny_settings
from workflow.liverseg import model_files
from workflow.liverseg.training_run import run_training


def train(root: Path, kill_at: int | None) -> None:
    """Train to the end, or die by SIGKILL at the `kill_at`-th doing of a write."""
    if kill_at is not None:
        _die_in_writes(kill_at)
    files = files_in(root, "killed")
    run_training(files, name="tiny", settings=tiny_settings(), resume_root=resume_root(files))


def _die_in_writes(kill_at: int) -> None:
    done = 0

    def counted(doing, *, halve: bool = False):
        def wrapped(*arguments, **named):
            nonlocal done
            done += 1
            result = doing(*arguments, **named)
            if done == kill_at:
                if halve:  # as a kill in the middle of the bytes would leave it
                    os.truncate(arguments[1], Path(arguments[1]).stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    model_files.save_file = counted(safetensors.torch.save_file, halve=True)
    os.replace = counted(os.replace)
    os.fsync = counted(os.fsync)
    os.unlink = counted(os.unlink)


def attempt(root: Path, *, kill_at: int | None, after_seconds: float | None) -> int:
    """Train in a child of its own; returns its wait status."""
    child = os.fork()
    if child == 0:
        try:
            train(root, kill_at)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    if after_seconds is not None:
        time.sleep(after_seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main(root: Path, kills: int) -> None:
    """`kills` deaths, every other one inside a write, then one run to the end."""
    draws = random.Random(11)
    died = 0
    while died < kills:
        inside = died % 2 == 0
        status = attempt(
            root,
            kill_at=draws.randint(1, 12) if inside else None,
            after_seconds=None if inside else draws.uniform(0.0, 0.4),
        )
        if status == 0:
            (root / "killed" / "model.safetensors").unlink()  # it ended first: from the start
            continue
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"a killed training failed on its own after {died} kills")
        died += 1
    if attempt(root, kill_at=None, after_seconds=None) != 0:
        raise SystemExit("the last run failed")
    print(f"{died} kills")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
