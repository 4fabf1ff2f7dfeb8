"""One writer per output: a lease that a job holds while it writes, also across machines."""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow.liverseg.errors import fault

# exFAT, and many drives shared by SMB, know no hard links.
WITHOUT_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
LEASES = Path(".snakemake/liverseg/leases")
BEAT_SECONDS = 10.0
WRITING_SECONDS = 5.0  # what a lease without a holder's name gets to become whole
STALE_SECONDS = 90.0  # several missed beats: the holder's machine is gone
PATIENCE_SECONDS = 180.0


@dataclass(frozen=True)
class Holder:
    """Who holds a lease; `started` tells two processes of one number apart."""

    token: str
    host: str
    pid: int
    started: str
    slurm_job: str = ""
    slurm_restart: str = ""

    @classmethod
    def this_process(cls) -> "Holder":
        """The holder that this process would be."""
        return cls(
            token=secrets.token_hex(8),
            host=socket.gethostname(),
            pid=os.getpid(),
            started=started(os.getpid()),
            slurm_job=os.environ.get("SLURM_JOB_ID", ""),
            slurm_restart=os.environ.get("SLURM_RESTART_COUNT", "0"),
        )

    def is_gone(self) -> bool:
        """Whether it is certain that the holder writes no more."""
        if self.host == socket.gethostname():
            return not started(self.pid) or started(self.pid) != self.started
        # Slurm starts a requeued job only when its earlier run has ended.
        here, restart = (os.environ.get(f"SLURM_{name}") for name in ("JOB_ID", "RESTART_COUNT"))
        return bool(here) and here == self.slurm_job and restart != self.slurm_restart


@contextlib.contextmanager
def lease(
    outputs: list[str],
    *,
    folder: Path = LEASES,
    beat_seconds: float = BEAT_SECONDS,
    stale_seconds: float = STALE_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[None]:
    """Hold the outputs while in the block; LiversegError if another living job holds them.

    A lease is a file that its holder touches every few seconds. It is taken over from a holder
    that is known to be gone, or whose touches are no longer seen; the age is measured by one's
    own clock, since the clocks of a cluster differ. A holder that loses its lease ends at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\n".join(sorted(outputs)).encode()).hexdigest()[:24]
    path = folder / f"{name}.json"
    me = Holder.this_process()
    _take(path, me, stale_seconds, patience_seconds, outputs)
    done = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, me, done, beat_seconds), daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        holder, _ = _read(path)
        if holder is not None and holder.token == me.token:  # else another has taken it over
            path.unlink(missing_ok=True)


def living_elsewhere(
    folder: Path = LEASES, *, within_seconds: float = STALE_SECONDS
) -> list[Holder]:
    """Holders on other machines whose lease was touched lately, by the clock of the drive."""
    if not folder.is_dir():
        return []
    os.utime(folder)  # takes no room, and the drive's clock need not agree with this machine's
    now = folder.stat().st_mtime
    held = [_read(path) for path in folder.glob("*.json")]
    return [
        holder
        for holder, touched in held
        if holder and holder.host != socket.gethostname() and now - touched < within_seconds
    ]


def started(pid: int) -> str:
    """A text that tells a living process from another of its number; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        return _alive_without_proc(pid)
    return "" if fields[0] in "ZX" else fields[19]


def _alive_without_proc(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "alive"
    return "alive"


def _take(
    path: Path, me: Holder, stale_seconds: float, patience_seconds: float, outputs: list[str]
) -> None:
    claim = path.with_suffix(f".{me.token}")
    begun = seen_at = time.monotonic()
    seen: list[float] = []
    try:
        claim.write_text(json.dumps(asdict(me)))
        while not _placed(claim, path):
            holder, touched = _read(path)
            now = time.monotonic()
            if touched not in seen:
                seen_at = now
                seen.append(touched)
            if holder is None:  # given back, being written, or cut short by a full disk
                gone = touched > 0 and now - seen_at > min(WRITING_SECONDS, stale_seconds)
            else:
                gone = holder.is_gone() or now - seen_at > stale_seconds
            if gone:
                _set_aside(path, touched)
            elif holder is None:
                time.sleep(0.01)
            elif now - begun > patience_seconds and len(seen) > 1:  # it was seen to live
                raise _held(holder, outputs)
            else:
                time.sleep(min(1.0, stale_seconds / 10))
    finally:
        claim.unlink(missing_ok=True)


def _placed(claim: Path, path: Path) -> bool:
    """Whether the claim now stands at `path`, where no other may have stood."""
    try:
        os.link(claim, path)  # fails where there is one; atomic on network drives too
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        return _copied(claim, path)
    return True


def _copied(claim: Path, path: Path) -> bool:
    try:
        stream = path.open("x")
    except FileExistsError:
        return False
    try:
        with stream:  # for a moment empty: see WRITING_SECONDS
            stream.write(claim.read_text())
    except OSError:
        path.unlink()
        raise
    return True


def _set_aside(path: Path, touched: float) -> None:
    # Of several that wait, one rename succeeds; the others find the new holder's lease.
    aside = path.with_suffix(f".gone-{secrets.token_hex(6)}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if aside.stat().st_mtime != touched:  # a new holder's, that came in between
            _placed(aside, path)
        aside.unlink()


def _held(holder: Holder, outputs: list[str]) -> Exception:
    job = f", Slurm job {holder.slurm_job}" if holder.slurm_job else ""
    return fault(
        file=outputs[0],
        expected="no other job writing the same output",
        found=f"process {holder.pid} on {holder.host}{job} is writing it",
        remedy="wait for that job, or cancel it, then start again",
    )


def _read(path: Path) -> tuple[Holder | None, float]:
    try:
        return Holder(**json.loads(path.read_text())), path.stat().st_mtime
    except FileNotFoundError:
        return None, 0.0
    except (ValueError, TypeError):  # cut short by a full disk
        return None, path.stat().st_mtime if path.exists() else 0.0


def _beat(path: Path, me: Holder, done: threading.Event, seconds: float) -> None:
    while not done.wait(seconds):
        holder, _ = _read(path)
        if holder is None or holder.token != me.token:
            print("another job has taken over this output: this one ends", flush=True)
            os._exit(1)
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
