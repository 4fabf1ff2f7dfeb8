"""The rows of a training's history as TensorBoard reads them, there to watch while it trains."""

from pathlib import Path
from typing import Any

from workflow.liverseg.files import whole

History = list[dict[str, Any]]


class EventFile:
    """Appends a history's rows as they come; equal histories give equal bytes.

    It is begun anew from the whole history on the first call, and when rows were taken back: a
    training that was interrupted has no epoch twice. All events bear the time 0, since a
    clock's would differ from run to run; curves go over epochs.
    """

    def __init__(self, path: Path) -> None:
        """`path`: of the file, whose name must hold `tfevents`; written on the first `update`."""
        self.path = path
        self._writer: Any = None
        self._written = 0

    def update(self, history: History) -> None:
        """Bring the file up to `history`, which has grown since."""
        if self._writer is None or len(history) <= self._written:
            self._begin()
        for row in history[self._written :]:
            self._write(step=row["epoch"], summary={"value": _values(row)})
        self._written = len(history)
        self._writer.flush()

    def close(self) -> None:
        """Nothing more comes."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _begin(self) -> None:
        from tensorboardX.record_writer import RecordWriter

        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer, self._written = RecordWriter(str(self.path)), 0
        self._write(file_version="brain.Event:2")

    def _write(self, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write(Event(wall_time=0.0, **content).SerializeToString())


def write_events(path: Path, history: History) -> None:
    """Write the events of a history, whole."""
    with whole(path) as temporary:
        events = EventFile(temporary)
        events.update(history)
        events.close()


def _values(row: dict[str, Any]) -> list[dict[str, Any]]:
    numbers = {name: value for name, value in row.items() if name not in ("epoch", "step")}
    return [
        {"tag": _tag(name), "simple_value": value}
        for name, value in numbers.items()
        if value is not None
    ]


def _tag(column: str) -> str:
    """`train_loss` as `loss/train`: TensorBoard draws what stands before the stroke together."""
    data, _, measure = column.partition("_")
    return f"{measure}/{data}" if data in ("train", "validation") else column
