"""What the machine has, found out without importing torch."""

import os
from pathlib import Path


def gpus_here() -> int:
    """Number of NVIDIA GPUs that a job started here would see."""
    return len(gpu_names_here())


def gpu_names_here() -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES would call the GPUs that a job started here would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = (name.strip() for name in visible.split(","))
        return tuple(name for name in names if name not in {"", "-1"})
    driver = Path("/proc/driver/nvidia/gpus")
    return tuple(map(str, range(len(list(driver.iterdir()))))) if driver.is_dir() else ()
