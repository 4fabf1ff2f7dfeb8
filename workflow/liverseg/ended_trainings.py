"""States of trainings that have ended: kept until the driver has recorded what they made.

A driver that dies while a training ends never records the model, and Snakemake has it made again.
The training then goes on from its last state and writes the same model within seconds.
"""

import shutil
from pathlib import Path

RESUME = Path("results/.resume")
ENDED = "ended"


def note_end(folder: Path) -> None:
    """Say that the training whose states stand in `folder` has written its model."""
    (folder / ENDED).touch()


def take_back_end(folder: Path) -> None:
    """Forget that note: the training is at work again, and may fail."""
    (folder / ENDED).unlink(missing_ok=True)


def forget_ended(directory: Path) -> None:
    """Remove the states of the trainings that have ended in the run in `directory`."""
    for note in (directory / RESUME).glob(f"*/{ENDED}"):
        shutil.rmtree(note.parent, ignore_errors=True)
