"""A signal asks a training to save its state and end; a scheduler's requeue goes on from there."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# A scheduler's end, Slurm's warning of it, and the Ctrl-C of whoever watches.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)
)


class TrainingStopped(Exception):
    """Training ended on a signal with its state saved; the same command goes on from there."""

    def __init__(self, number: int, step: int) -> None:
        """`number`: the signal's; `step`: the next one to be done."""
        super().__init__(f"stopped by {signal.Signals(number).name} before step {step + 1}")
        self.number = number
        self.step = step


class StopSignal:
    """Remembers the first signal; the loop looks at `asked` between two steps."""

    def __init__(self) -> None:
        self.asked = 0

    def _note(self, number: int, frame: Any) -> None:
        self.asked = self.asked or number

    @contextmanager
    def listening(self) -> Iterator["StopSignal"]:
        """Listen to SIGNALS; afterwards they do again what they did before."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
