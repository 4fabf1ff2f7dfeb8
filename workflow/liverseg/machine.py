"""What the machine has, found out without importing torch."""

import os
from pathlib import Path


def gpus_here() -> int:
    """Number of NVIDIA GPUs that a job started here would see."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in {"", "-1"}])
    driver = Path("/proc/driver/nvidia/gpus")
    return len(list(driver.iterdir())) if driver.is_dir() else 0
