"""From one new CT of 512×512×300 to its page: seconds, and which rule they go to.

    python benchmarks/new_patient.py --model results/models/laptop
    python benchmarks/new_patient.py    # trains that model on phantoms first, a quarter of an hour

The CT is the phantom of benchmarks/prediction.py, or one of your own (--ct). What is timed is the
README's command for new patients, in a directory of its own, nothing kept from earlier runs; rules
run side by side where cores allow, so that their seconds add up to more than passes. The mask
counts: one in shreds, of a model hardly trained, takes twice as long to make surfaces of and draw.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.prediction import make_ct
from workflow.liverseg.report_inputs import STEPS, read_steps

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the command `--repeat` times; print the times, and the rules of the fastest run."""
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    ct = (options.ct or make_ct(options.work, options.slices)).resolve()
    model = options.model or train(options)
    runs = [predict(ct, model.resolve(), options, number) for number in range(options.repeat)]
    print("from CT to page, s: " + ", ".join(f"{seconds:.1f}" for seconds, _ in runs))
    seconds, place = min(runs)
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'rule':18}{'jobs':>5}{'seconds':>9}{'peak GB':>9}")
    for step in read_steps(place / "results/benchmarks", STEPS):
        gigabytes = step.memory_peak_mb / 1000
        print(f"{step.rule:18}{step.jobs:5}{step.seconds_total:9.1f}{gigabytes:9.2f}")
    print(f"{'outside of jobs':23}{seconds - busy(place / 'results/benchmarks'):9.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    parser.add_argument("--ct", type=Path, help="a CT of your own instead of the phantom")
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=6, help="of the model trained on phantoms")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("results/benchmarks/new_patient"))
    return parser.parse_args()


def train(options: argparse.Namespace) -> Path:
    """The laptop example's network after a few epochs on the demo's phantoms."""
    place = options.work / "training"
    target = "results/models/laptop/model.safetensors"
    overlay = place.resolve() / "short.yaml"
    place.mkdir(parents=True, exist_ok=True)
    overlay.write_text(f"training: {{epochs: {options.epochs}}}\n")
    configs = [str(ROOT / "config/examples/laptop.yaml"), str(overlay)]
    snakemake(place, options.cores, target, "--configfile", *configs)
    return place / "results/models/laptop"


def predict(ct: Path, model: Path, options: argparse.Namespace, number: int) -> tuple[float, Path]:
    """Run the README's command in a fresh directory: seconds, and the directory."""
    place = options.work.resolve() / f"run-{number}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "new").mkdir(parents=True)
    shutil.copy(ct, place / "new/patient.nii.gz")
    begun = time.perf_counter()
    config = [f"patients={place / 'new'}", f"released_model={model}"]
    snakemake(place, options.cores, "predict", "--config", *config)
    return time.perf_counter() - begun, place


def busy(benchmarks: Path) -> float:
    """Seconds in which any job ran; its table is written when it ends."""
    spans = []
    for path in benchmarks.rglob("*.tsv"):
        with path.open() as table:
            seconds = float(next(csv.DictReader(table, delimiter="\t"))["s"])
        end = path.stat().st_mtime
        spans.append((end - seconds, end))
    total, until = 0.0, 0.0
    for begun, end in sorted(spans):
        total += max(0.0, end - max(begun, until))
        until = max(until, end)
    return total


def snakemake(place: Path, cores: int, target: str, *options: str) -> None:
    """Run the workflow in `place`; what it says is shown only where it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), target]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(place), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])


if __name__ == "__main__":
    main()
