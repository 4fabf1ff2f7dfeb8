"""What a dry run on a finished cohort costs, next to a bare Snakefile of the same shape.

    python benchmarks/workflow.py [--patients 131 1000] [--models 2] [--repeat 3]

The files are simulated. Both are measured in the same run, in turns; seconds are medians, MB the
peak of the process. `benchmarks/bare.smk` has the same rules, wildcards and inputs, and `touch` as
its work. Predicted are test patients and one patient in twenty without label.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = re.compile(r"^    output: (.*)$", re.M)
JOBS = re.compile(r"^total +(\d+)$", re.M)
# `snakemake --touch` waits a tenth of a second a job; here there is nothing to wait for.
TOUCH = """
import sys
from snakemake.cli import main
from snakemake.executors.touch import Executor
Executor.SLEEPING_TIME = 0
main(sys.argv[1:])
"""
MODELS = "{network: unet3d, width: 2, levels: 2}"


def simulate(folder: Path, patients: int, models: int) -> None:
    """Write a sheet, empty CTs and labels, a split, and the two configurations."""
    (folder / "data").mkdir(parents=True)
    rows, split = ["patient\timage\tlabel"], ["patient\tgroup\tsplit"]
    for number in range(patients):
        name = f"p{number:04d}"
        place = ("train",) * 14 + ("validation",) * 3 + ("test",) * 2 + ("predict",)
        chosen = place[number % len(place)]
        files = [f"data/{name}.nii", f"data/{name}-label.nii" if chosen != "predict" else ""]
        for file in filter(None, files):
            (folder / file).write_text(name)
        rows.append("\t".join([name, *files]))
        split.append(f"{name}\t{name}\t{chosen}")
    (folder / "patients.tsv").write_text("\n".join(rows) + "\n")
    names = [f"m{number}" for number in range(models)]
    catalogue = "".join(f"  {name}: {MODELS}\n" for name in names)
    overlay = f"patients: patients.tsv\ntrain: [{', '.join(names)}]\nmodels:\n{catalogue}"
    (folder / "overlay.yaml").write_text(overlay)
    write(folder, ["results/cohort/cohort.tsv", "results/cohort/rejected.tsv"])
    (folder / "results/split").mkdir()
    (folder / "results/split/split.tsv").write_text("\n".join(split) + "\n")


def write(folder: Path, files: list[str]) -> None:
    """Make empty files."""
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def command(folder: Path, *, bare: bool, models: int) -> list[str]:
    """Return the Snakemake call on a simulated cohort."""
    start = [
        sys.executable,
        "-m",
        "snakemake",
        "--directory",
        str(folder),
        "--cores",
        "2",
        "--nocolor",
    ]
    if bare:
        names = " ".join(f"m{number}" for number in range(models))
        profile = ["--workflow-profile", str(ROOT / "profiles/default")]
        return [
            *start,
            "-s",
            str(ROOT / "benchmarks/bare.smk"),
            *profile,
            "--config",
            f"models={names}",
        ]
    return [*start, "-s", str(ROOT / "Snakefile"), "--configfile", str(folder / "overlay.yaml")]


def finish(folder: Path, call: list[str]) -> int:
    """Make every output that a dry run asks for and let Snakemake record it; return the jobs."""
    jobs = 0
    for until in (["--until", "split_patients"], []):  # what follows is planned by the split
        planned = run([*call, "--dry-run", *until])
        jobs += int(JOBS.findall(planned)[-1])
        write(folder, [file for line in OUTPUT.findall(planned) for file in line.split(", ")])
    # Every output needs its record: a dry run compares settings, code and inputs with it.
    options = call[call.index("snakemake") + 1 :]
    run([sys.executable, "-c", TOUCH, *options, "--touch", "--forceall"])
    records = len(list((folder / ".snakemake/metadata").iterdir()))
    if records < jobs:
        raise RuntimeError(f"{records} records for {jobs} jobs in {folder}")
    if "Nothing to be done" not in run([*call, "--dry-run"]):
        raise RuntimeError(f"the simulated cohort in {folder} does not count as finished")
    return jobs


def run(call: list[str]) -> str:
    """Run a call that must go well; return all that it says."""
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    return done.stdout + done.stderr


def cost(call: list[str]) -> tuple[float, float]:
    """Seconds and peak MB of one dry run."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*call, "--dry-run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"exit status {status}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - begun, usage.ru_maxrss * unit / 1e6


def compare(patients: int, models: int, repeat: int) -> str:
    """Simulate one size of cohort; return its row of the table."""
    with tempfile.TemporaryDirectory() as place:
        calls, jobs = {}, {}
        for kind in ("liverseg", "bare"):
            folder = Path(place) / kind
            simulate(folder, patients, models)
            calls[kind] = command(folder, bare=kind == "bare", models=models)
            jobs[kind] = finish(folder, calls[kind])
        costs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in calls}
        for _ in range(repeat):
            for kind, call in calls.items():
                costs[kind].append(cost(call))
    seconds = {kind: statistics.median(s for s, _ in found) for kind, found in costs.items()}
    peak = {kind: max(mb for _, mb in found) for kind, found in costs.items()}
    return (
        f"{patients:8} {models:6} {jobs['liverseg']:6} {jobs['bare']:6} "
        f"{seconds['liverseg']:10.2f} "
        f"{seconds['bare']:8.2f} {seconds['liverseg'] / seconds['bare']:6.2f} "
        f"{peak['liverseg']:9.0f} {peak['bare']:8.0f}"
    )


def main() -> None:
    """Print one row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[30, 131, 400, 1000])
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    chosen = parser.parse_args()
    print("patients models   jobs   bare  seconds     bare  ratio   peak MB     bare")
    for patients in chosen.patients:
        print(compare(patients, chosen.models, chosen.repeat), flush=True)


if __name__ == "__main__":
    main()
