"""How many short steps a second go through Snakemake's scheduler, and what share is start-up.

    python benchmarks/steps.py [--patients 20] [--cores 1 2]

Tiny phantoms take the short steps of the patients: inspected, prepared, cut, filtered. A step's
seconds are those that Snakemake's benchmark files tell (start of Python to its end, medians);
start-up is what it takes to start Python and import what the script imports.
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.workflow.houses import House  # noqa: E402

# Each with what it imports only when it comes to it.
STEPS = {
    "inspect_patient": "numpy",
    "prepare_volume": "numpy",
    "cut_chunks": "pandas",
    "filter_chunks": "pandas",
}


def cohort(folder: Path, patients: int) -> House:
    """A house with as many labelled patients."""
    house = House.build(folder)
    for number in range(patients):
        house.draw(f"p{number:03d}", number + 1)
    house.write_sheet({f"p{number:03d}": "train" for number in range(patients)})
    return house


def targets(patients: int) -> list[str]:
    """What the short steps of all patients make."""
    patterns = ("results/cohort/inspection/p{:03d}.json", "results/filtered/p{:03d}.tsv")
    return [pattern.format(number) for pattern in patterns for number in range(patients)]


def seconds_of(house: House, rule: str) -> list[float]:
    """Seconds of each job of a rule."""
    found = []
    for table in (house.run / f"results/benchmarks/{rule}").glob("*.tsv"):
        with table.open() as stream:
            found += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
    return found


def start_up(rule: str, repeat: int = 5) -> float:
    """Seconds to start Python and to import what a rule's job imports."""
    spent = []
    for _ in range(repeat):
        begun = time.perf_counter()
        imports = f"import snakemake.script, workflow.scripts.{rule}, {STEPS[rule]}"
        subprocess.run([sys.executable, "-c", imports], cwd=ROOT, check=True)
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def measure(patients: int, cores: int, started: dict[str, float]) -> None:
    """Run the steps of a new cohort; print a row a rule, and what all of them took."""
    with tempfile.TemporaryDirectory() as place:
        house = cohort(Path(place) / "house", patients)
        begun = time.perf_counter()
        done = house.snakemake(*targets(patients), cores=cores)
        wall = time.perf_counter() - begun
        if done.returncode:
            raise RuntimeError(done.text[-3000:])
        found = {rule: seconds_of(house, rule) for rule in STEPS}
    for rule, spent in found.items():
        median = statistics.median(spent)
        share = f"{started[rule]:8.2f} {100 * started[rule] / median:7.0f} %"
        print(f"{cores:5} {rule:16} {len(spent):5} {median:8.2f} {share}")
    jobs = len(done.jobs)
    print(f"{cores:5} {'together':16} {jobs:5} {wall:8.1f}   {jobs / wall:.2f} jobs a second")


def main() -> None:
    """Print a table for each number of cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    chosen = parser.parse_args()
    started = {rule: start_up(rule) for rule in STEPS}
    print("cores step              jobs  seconds start-up   share")
    for cores in chosen.cores:
        measure(chosen.patients, cores, started)


if __name__ == "__main__":
    main()
