"""Time the inspection of a CT against plain decompression, and say where the rest goes.

    python benchmarks/inspection.py [--shape 512 512 300] [--repeats 3] [--image CT --label LABEL]

Without a file it makes a noisy body of that size, int16, as .nii.gz. Each part is timed alone, the
best of the repeats counts; memory is the process's peak beyond what it held before.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from isal import igzip

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.intake_cases import LIVER, SETTINGS, body, liver, nifti, write
from workflow.liverseg import intensities, slice_order
from workflow.liverseg.inspection import inspect
from workflow.liverseg.nifti_stream import read_volume


def best(repeats: int, work: Callable[[], object]) -> float:
    """Return the shortest of several times, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def make(folder: Path, shape: tuple[int, int, int]) -> tuple[Path, Path]:
    """Write a CT and a label of this size."""
    spacing = np.diag([-400 / shape[0], 400 / shape[1], 300 / shape[2], 1.0])
    spacing[:3, 3] = (200, -200, -150)
    ct = write(folder / "ct.nii.gz", nifti(body(shape), spacing))
    return ct, write(folder / "label.nii.gz", nifti(liver(shape), spacing))


def decompress(path: Path) -> None:
    """Inflate a file to its end and keep nothing: the least that any check of it costs."""
    buffer = bytearray(4 << 20)
    with igzip.open(path, "rb") as stream:
        while stream.readinto(buffer):
            pass


def peak_mb(image: Path, label: Path | None) -> tuple[float, float]:
    """Return the peak memory in MB of a process that inspects, and of one that only imports."""
    lines = (
        "import sys; from pathlib import Path; "
        "from tests.intake_cases import LIVER, SETTINGS; "
        "from workflow.liverseg.inspection import inspect; "
        "paths = [Path(p) if p else None for p in sys.argv[1:3]]; "
        "paths[0] and inspect(image=paths[0], label=paths[1], patient='p', labels=LIVER, "
        "settings=SETTINGS); status = Path('/proc/self/status').read_text(); "
        "print(int(status.split('VmHWM:')[1].split()[0]) / 1024)"
    )
    root = Path(__file__).resolve().parents[1]
    peaks = []
    for arguments in ((str(image), str(label or "")), ("", "")):
        command = [sys.executable, "-c", lines, *arguments]
        found = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
        peaks.append(float(found.stdout))
    return peaks[0], peaks[1]


def main() -> None:
    """Print a table of parts in seconds, and relative to decompression."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=[512, 512, 300])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--label", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        image, label = options.image, options.label
        if image is None:
            image, label = make(Path(folder), tuple(options.shape))
        report(image, label, options.repeats)


def report(image: Path, label: Path | None, repeats: int) -> None:
    """Time the parts on one pair and print them."""
    volume = read_volume(image, "ct")
    rows = {
        "decompression alone, CT": best(repeats, lambda: decompress(image)),
        "reading once: CRC, SHA-256, voxels": best(repeats, lambda: read_volume(image, "ct")),
        "histogram and voxel digest": best(repeats, lambda: intensities.measure(volume)),
        "order of slices": best(
            repeats, lambda: slice_order.judge(slice_order.thumbs_along(volume, 2))
        ),
        "inspection of the CT": best(repeats, lambda: _inspect(image, None)),
    }
    if label is not None:
        rows["decompression alone, CT and label"] = rows["decompression alone, CT"] + best(
            repeats, lambda: decompress(label)
        )
        rows["inspection of CT and label"] = best(repeats, lambda: _inspect(image, label))
    stored = volume.voxels.nbytes / 1e6
    print(f"{volume.voxels.shape}, {volume.voxels.dtype}, {stored:.0f} MB of voxels")
    for name, seconds in rows.items():
        relative = seconds / rows["decompression alone, CT"]
        print(f"{name:38} {seconds:7.3f} s  {relative:5.2f} ×")
    peak, base = peak_mb(image, label)
    print(f"peak memory {peak:.0f} MB, {peak - base:.0f} MB beyond the imports")


def _inspect(image: Path, label: Path | None) -> dict:
    return inspect(image=image, label=label, patient="p", labels=LIVER, settings=SETTINGS)


if __name__ == "__main__":
    main()
