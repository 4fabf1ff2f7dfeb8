"""What the machine has, found out without importing torch."""

import functools
import os
import subprocess
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
