"""The history of a training as TensorBoard reads it, written while it goes on."""

import shutil
from pathlib import Path
from typing import Any

TAGS = {
    "learning_rate": "learning_rate",
    "train_loss": "loss/training",
    "train_dice": "Dice/training",
    "validation_dice": "Dice/validation",
}


class Events:
    """An event file in a folder of its own.

    What another attempt left there is replaced: a training that goes on tells its whole history
    again, and no epoch stands twice.
    """

    def __init__(self, folder: Path, history: list[dict[str, Any]]) -> None:
        """`history`: rows of the epochs that were made before."""
        from tensorboardX import SummaryWriter

        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder))
        for row in history:
            self.epoch(row)

    def epoch(self, row: dict[str, Any]) -> None:
        """One row of the history: each of its numbers under a tag, at the row's step."""
        numbers = {name: value for name, value in row.items() if name not in {"epoch", "step"}}
        for name, value in numbers.items():
            if value is not None:
                self._writer.add_scalar(_tag(name), value, row["step"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _tag(name: str) -> str:
    """`validation_dice_tumour` stands beside the mean, in the same group of charts."""
    return TAGS.get(name, f"Dice/validation_{name.removeprefix('validation_dice_')}")
