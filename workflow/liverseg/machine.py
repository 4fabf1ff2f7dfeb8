"""What the machine has, found out without importing torch."""

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")
# In WSL 2 the GPU is behind Windows' own device, and its driver's programs lie apart.
WSL_DEVICE, WSL_SMI = Path("/dev/dxg"), Path("/usr/lib/wsl/lib/nvidia-smi")


def gpus_here() -> int:
    """Number of NVIDIA GPUs that a job started here would see."""
    return len(gpu_names_here())


def gpu_names_here() -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES would call the GPUs that a job started here would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = (name.strip() for name in visible.split(","))
        return tuple(name for name in names if name not in {"", "-1"})
    count = len(list(DRIVER.iterdir())) if DRIVER.is_dir() else _gpus_of_wsl()
    return tuple(map(str, range(count)))


@functools.cache
def _gpus_of_wsl() -> int:
    if not (WSL_DEVICE.exists() and WSL_SMI.exists()):
        return 0
    try:
        listed = subprocess.run([WSL_SMI, "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0  # no driver that answers: what torch would find too
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def memory_free_bytes(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may still take; 0 where that cannot be found out.

    The least of what the machine has available and what each control group that the process is
    in leaves it: a Slurm job or a container on a large machine owns a part of it. `root` is where
    /proc and /sys are.
    """
    limits = [_available_bytes(root / "proc/meminfo"), *_left_by_groups(root)]
    return min((limit for limit in limits if limit is not None), default=0)


def _available_bytes(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _left_by_groups(root: Path) -> Iterator[int]:
    """What each memory limit of the process's control groups and their parents leaves."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2: one tree for all
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            with contextlib.suppress(OSError, ValueError):  # the root has none; `max` is no limit
                limit, used = (int((folder / name).read_text()) for name in names)
                yield max(0, limit - used + _given_back(folder / "memory.stat"))
            if folder == base:
                break


def _given_back(stat: Path) -> int:
    """Bytes of files that a control group keeps at hand, and gives back when they are wanted."""
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return 0
    found = dict(line.split(maxsplit=1) for line in lines)
    return int(found.get("total_inactive_file", found.get("inactive_file", 0)))
