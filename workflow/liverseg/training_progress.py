"""What a person sees of a training: a bar on a terminal, quiet lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from workflow.liverseg.training_events import EventFile, History

LINES_APART_SECONDS = 30.0


class Reporter:
    """Says how a training goes: `say` to the log, a bar on `terminal`, curves to `events`."""

    def __init__(
        self,
        name: str,
        terminal: TextIO | None = None,
        *,
        events: EventFile | None = None,
        quiet: bool = False,
    ) -> None:
        """`terminal`: a stream that is one, None for lines in the log alone; `quiet`: not these."""
        self.name = name
        self.quiet = quiet
        self.terminal = terminal
        self.events = events
        self._bar: Any = None
        self._task: Any = None
        self._steps = 0
        self._epochs = 0
        self._first = 0
        self._started = self._last_line = time.monotonic()
        self._dice: float | None = None

    def say(self, text: str) -> None:
        """One line for the log."""
        if not self.quiet:
            print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def start(self, epochs: int, steps_per_epoch: int, done: int) -> None:
        """The first step is about to be made, `done` steps having been made before."""
        self._epochs, self._steps, self._first = epochs, steps_per_epoch, done
        self._started = self._last_line = time.monotonic()
        if self.terminal is None:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=Console(file=self.terminal),
        )
        total = epochs * steps_per_epoch
        self._task = self._bar.add_task(self.name, total=total, completed=done, numbers="")
        self._bar.start()

    def resumed(self, step: int, steps: int) -> None:
        """A training goes on."""
        self.say(f"goes on from step {step} of {steps}")

    def step(self, epoch: int, index: int, loss: float, dice: float) -> None:
        """One step was made."""
        done = epoch * self._steps + index + 1
        best = "" if self._dice is None else f" · validation {self._dice:.3f}"
        if self._bar is not None:
            numbers = f"epoch {epoch + 1}/{self._epochs} step {index + 1}/{self._steps} "
            numbers += f"loss {loss:.3f} · Dice {dice:.3f}{best}"
            self._bar.update(self._task, completed=done, numbers=numbers)

    def epoch(self, history: History) -> None:
        """One epoch was made; its line is left out where many pass in short time."""
        if self.events is not None:
            self.events.update(history)
        row = history[-1]
        validated = row["validation_dice"] is not None
        if validated:
            self._dice = row["validation_dice"]
        now = time.monotonic()
        last = row["epoch"] == self._epochs
        if not (validated or last or now - self._last_line > LINES_APART_SECONDS):
            return
        self._last_line = now
        done = row["step"] - self._first
        left = (now - self._started) / max(done, 1) * (self._epochs * self._steps - row["step"])
        text = f"epoch {row['epoch']}/{self._epochs}: loss {row['train_loss']:.4f}, "
        text += f"Dice {row['train_dice']:.4f}"
        if validated:
            text += f", validation Dice {row['validation_dice']:.4f}"
        self.say(text if last else f"{text}, {duration(left)} left")

    def rolled_back(self, epoch: int, index: int, loss: float, length: float) -> None:
        """A step had no finite loss or gradient, or left weights that are not finite."""
        self.say(
            f"epoch {epoch + 1}, step {index + 1}: loss {loss}, gradient {length}, or a weight "
            "after it, is not finite; back to the epoch's start with half the learning rate"
        )

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Leave terminal and events in order, however the training ends."""
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.stop()
            if self.events is not None:
                self.events.close()

    def end(self) -> None:
        """The last step was made."""
        self.say(f"trained in {duration(time.monotonic() - self._started)}")


def duration(seconds: float) -> str:
    """Minutes and seconds in words; hours too, where there are some."""
    hours, seconds = divmod(round(seconds), 3600)
    if hours:
        return f"{hours} h {seconds // 60:02d} min"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
