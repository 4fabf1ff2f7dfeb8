"""Seconds and memory that the surface of one large liver takes, step by step.

Run from the project's root: .venv/bin/python -m benchmarks.meshes [--slices 300]
One core: it pins itself to one where the system lets it.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

SPACING_MM = (0.74, 0.74, 1.0)
SETTINGS = {"iterations": 30, "pass_band": 0.05, "triangles": 100_000, "deviation_mm": None,
            "one_piece": False}  # fmt: skip


def liver(slices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability (512, 512, slices) of a liver-shaped body of about 1.6 l, its mask and affine."""
    x, y, z = np.ogrid[:512, :512, :slices]
    x, y, z = (x - 180) * SPACING_MM[0], (y - 230) * SPACING_MM[1], (z - slices / 2) * SPACING_MM[2]
    right = 1 - np.sqrt((x / 75) ** 2 + (y / 70) ** 2 + (z / 85) ** 2)
    left = 1 - np.sqrt(((x - 80) / 80) ** 2 + ((y + 25) / 40) ** 2 + ((z - 35) / 40) ** 2)
    bumps = 0.03 * np.sin(x / 9.0) * np.sin(y / 7.0) * np.sin(z / 8.0)
    depth_mm = 60 * (np.maximum(right, left) + bumps)
    probability = (np.round(255 / (1 + np.exp(-1.5 * depth_mm))) / 255).astype(np.float32)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    return probability, probability >= 0.5, affine


def main() -> None:
    """Print a line for each step and the sum."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--slices", type=int, default=300)
    slices = arguments.parse_args().slices
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    started = time.perf_counter()
    from workflow.liverseg.mesh_files import write_surface
    from workflow.liverseg.mesh_records import make_surface, region_record

    print(f"import                {time.perf_counter() - started:6.2f} s")
    probability, mask, affine = liver(slices)
    hu = np.where(mask, np.float32(100), np.float32(-50))
    total = time.perf_counter()
    surface, correction = make_surface(probability, mask, affine, settings=SETTINGS)
    made = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("stl", "ply", "obj", "glb"):
            write_surface(Path(folder) / f"liver.{kind}", surface, name="liver", colour=(9, 9, 9))
    written = time.perf_counter()
    record = region_record(surface, mask, affine, hu, correction)
    measured = time.perf_counter()
    print(f"surface               {made - total:6.2f} s")
    print(f"STL, PLY, OBJ, GLB    {written - made:6.2f} s")
    print(f"measurements          {measured - written:6.2f} s")
    print(f"sum                   {measured - total:6.2f} s")
    print(
        f"peak memory           {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:6.2f} GB"
    )
    for name in ("mask_volume_ml", "volume_error_percent", "area_cm2", "triangles",
                 "closed_manifold", "centre_offset_mm", "shift_mm", "volume_correction_percent",
                 "deviation_from_mask"):  # fmt: skip
        print(f"{name:21} {record[name]}")


if __name__ == "__main__":
    main()
