"""Resume states on disk: whole or absent, checked by digest, the last two kept."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from workflow.liverseg.ended_trainings import note_end, take_back_end
from workflow.liverseg.errors import fault
from workflow.liverseg.files import sha256, whole
from workflow.liverseg.model_files import write_tensors
from workflow.liverseg.training_state import Progress, Snapshot

KEPT = 2


def resume_key(facts: dict[str, Any], inputs: list[Path], name: str) -> str:
    """A folder name for one training: its model's name and a digest of `facts` and inputs.

    facts: all that its bits hang on beside the inputs: settings, code, device, versions.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for path in inputs:
        digest.update(f"{path.parent.name}/{path.name}".encode())
        digest.update(sha256(path).encode())
    return f"{name}-{digest.hexdigest()[:16]}"


@dataclass(frozen=True)
class ResumeFolder:
    """The resume states of one training; `path` is made on the first save.

    A state's file name holds how often training was rolled back, its step, and a letter: `b` of
    `boundary` states (between two epochs, where a rollback lands), `a` of any other, which at the
    same step is the one before it, since the epoch was not yet validated. Sorted by name, the
    newest is the last. The digest of its bytes is in a file beside it, written after it, so that
    a state without digest, or with another, is one whose writing was interrupted.
    """

    path: Path

    def save(self, state: Snapshot, *, boundary: bool) -> None:
        """Write a state, then drop all but the last two, and the last boundary state."""
        progress, letter = state.progress, "b" if boundary else "a"
        name = f"{progress.rollbacks:03d}-{progress.step:09d}{letter}"
        target = self.path / f"{name}.safetensors"
        digest_file = target.with_suffix(".sha256")
        if _is_sound(target):
            return  # the same step of the same training: the same state
        metadata = {"progress": json.dumps(vars(state.progress))}
        write_tensors(target, state.tensors, metadata)
        with whole(digest_file) as temporary:
            temporary.write_text(sha256(target) + "\n")
        self._forget_old()

    def newest(self, *, boundary: bool = False) -> Snapshot | None:
        """The newest sound state, None without one; damaged ones are passed over, and said."""
        pattern = "*b.safetensors" if boundary else "*.safetensors"
        for path in sorted(self._states(pattern), reverse=True):
            if _is_sound(path):
                return _read(path)
            print(f"resume state {path.name} is damaged or incomplete: the one before it is used")
        return None

    def end(self) -> None:
        """Note that the model is written; its last state stays until the driver has recorded it."""
        for path in sorted(self._states("*.safetensors"))[:-1]:
            self._forget(path)
        note_end(self.path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a second training out of the same folder; LiversegError if one is at work.

        The lock is the kernel's, so that it ends with its holder, however that dies.
        """
        import fcntl

        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise fault(
                    found="another process is training this very model",
                    remedy="wait for it, or end it, then start again",
                ) from error
            for leftover in self.path.glob(".*.*"):
                leftover.unlink(missing_ok=True)  # what a killed writer left half-written
            take_back_end(self.path)
            yield
        finally:
            os.close(descriptor)

    def _states(self, pattern: str) -> list[Path]:
        return [path for path in self.path.glob(pattern) if not path.name.startswith(".")]

    def _forget_old(self) -> None:
        kept = set(sorted(self._states("*.safetensors"))[-KEPT:])
        kept |= set(sorted(self._states("*b.safetensors"))[-1:])
        for path in self._states("*.safetensors"):
            if path not in kept:
                self._forget(path)

    def _forget(self, path: Path) -> None:
        path.with_suffix(".sha256").unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _is_sound(path: Path) -> bool:
    try:
        return path.with_suffix(".sha256").read_text().strip() == sha256(path)
    except OSError:
        return False


def _read(path: Path) -> Snapshot:
    with safe_open(path, framework="pt") as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        metadata = stream.metadata()
    return Snapshot(tensors, Progress(**json.loads(metadata["progress"])))
