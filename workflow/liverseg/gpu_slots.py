"""Different devices for jobs that run side by side on one machine with several GPUs."""

import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from workflow.liverseg.machine import gpu_names_here


@contextlib.contextmanager
def own_gpus(count: int, *, folder: Path | None = None) -> Iterator[tuple[str, ...]]:
    """Hold `count` GPUs that no other job of ours holds, and let CUDA see these alone.

    Snakemake's `gpu` resource bounds how many jobs run at once and says nothing about which
    device each gets. A slot is a file lock, which the kernel frees however its holder dies; one
    waits while too few are free. Without GPUs nothing is done. A job that Slurm started with a
    GPU of its own finds it free, whatever others hold.
    """
    names = gpu_names_here()
    if count < 1 or not names:
        yield ()
        return
    count = min(count, len(names))
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    with contextlib.ExitStack() as held:
        mine = _wait_for(count, names, folder or _folder(), held)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(mine)
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        print(f"GPU {', '.join(mine)} of {', '.join(names)}")
        try:
            yield mine
        finally:
            if before is None:
                del os.environ["CUDA_VISIBLE_DEVICES"]
            else:
                os.environ["CUDA_VISIBLE_DEVICES"] = before


def _folder() -> Path:
    # One for all runs of a user: two runs in two folders share the machine's GPUs. What Slurm
    # has set aside belongs to one of its jobs, and each of them may count its GPUs from 0.
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    slurm_job = os.environ.get("SLURM_JOB_ID", "")
    if slurm_job and "CUDA_VISIBLE_DEVICES" in os.environ:
        user += f"-slurm-{slurm_job}"
    return Path(tempfile.gettempdir()) / f"liverseg-gpus-{user}"


def _wait_for(
    count: int, names: tuple[str, ...], folder: Path, held: contextlib.ExitStack
) -> tuple[str, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        # All or none: two jobs that each hold half of what they need would wait for ever.
        with contextlib.ExitStack() as attempt:
            free = (name for name in names if _take(folder / f"{name}.lock", attempt))
            mine = tuple(itertools.islice(free, count))
            if len(mine) == count:
                held.push(attempt.pop_all())
                return mine
        time.sleep(0.2)


def _take(path: Path, held: contextlib.ExitStack) -> bool:
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True
