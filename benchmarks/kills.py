"""Kill a run at random moments, resume it each time, and compare every output with a quiet run's.

    python benchmarks/kills.py --kills 100 [--seed 0] [--each-run 10]

Each run starts from the CTs alone. At random moments the driver, one job, or the whole process
group gets SIGKILL; `resume` (as `make resume`) follows at once, until the run is through.
"""

import argparse
import csv
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.workflow.houses import House  # noqa: E402
from workflow.liverseg.files import sha256  # noqa: E402

TARGETS = ("driver", "job", "group")
# Logs and times differ from run to run; the page, and the table of digests, hold some.
TIMED = ("logs/", "benchmarks/", ".resume/", "ro-crate-metadata.json")
PAGE, TABLE = "report/index.html", "provenance/digests.tsv"
TIMES_OF_PAGE = re.compile(r"<h3>Time and memory</h3>.*?</table>", re.S)


def digests(house: House) -> dict[str, str]:
    """Every output with the digest of all in it but the times that it took."""
    results = house.run / "results"
    files = (path for path in results.rglob("*") if path.is_file())
    named = ((str(path.relative_to(results)), path) for path in files)
    return {name: timeless(name, path) for name, path in named if not name.startswith(TIMED)}


def timeless(name: str, path: Path) -> str:
    """Digest of an output without the times that it shows."""
    if name == PAGE:
        page, tables = TIMES_OF_PAGE.subn("", path.read_text(encoding="utf-8"))
        if tables != 1:
            raise RuntimeError("the page's table of times is not found")
        return hashlib.sha256(page.encode()).hexdigest()
    if name == TABLE:
        with path.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        kept = [
            {key: value for key, value in row.items() if key not in {"started", "ended"}}
            for row in rows
            if row["output"] != f"results/{PAGE}"
        ]
        return hashlib.sha256(json.dumps(kept).encode()).hexdigest()
    return sha256(path)


def jobs_of(driver: int) -> Iterator[int]:
    """Processes that run a script for the driver."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            ours = (
                f"LIVERSEG_DRIVER={driver}\0".encode() in (status.parent / "environ").read_bytes()
            )
        except OSError:
            continue
        if ours and b".snakemake/scripts/" in command and not command.startswith(b"/bin/"):
            yield int(status.parent.name)


def kill(driver: subprocess.Popen, target: str, draw: random.Random) -> str:
    """Kill as `target` says; return what was hit."""
    if target == "job":
        jobs = sorted(jobs_of(driver.pid))
        if jobs:
            os.kill(draw.choice(jobs), signal.SIGKILL)
            return "job"
        target = "driver"
    if target == "group":
        os.killpg(driver.pid, signal.SIGKILL)
    else:
        driver.kill()
    return target


def start(house: House, *, resume: bool) -> subprocess.Popen:
    """Start or resume the house's run in a process group of its own."""
    command = house.command()
    log = (house.place / "log.txt").open("a")
    if resume:
        tidy = [sys.executable, "-m", "workflow.liverseg.upkeep", "resume"]
        tidy += ["--directory", str(house.run), "--", "true", *command]
        tidied = subprocess.run(tidy, cwd=ROOT, stdout=log, stderr=log)
        if tidied.returncode:
            raise RuntimeError(f"resume refused: see {log.name}")
    return subprocess.Popen(
        command, cwd=house.place, stdout=log, stderr=log, start_new_session=True
    )


def interrupted_run(house: House, kills: int, draw: random.Random, longest: float) -> list[str]:
    """Run the house to its end through `kills` kills; return what was hit each time."""
    hit: list[str] = []
    for attempt in range(kills + 3):
        driver = start(house, resume=attempt > 0)
        if len(hit) < kills:
            try:
                driver.wait(timeout=draw.uniform(1.0, longest))
            except subprocess.TimeoutExpired:
                hit.append(kill(driver, draw.choice(TARGETS), draw))
        if driver.wait() == 0:
            return hit
    raise RuntimeError(f"the run does not end: see {house.place}/log.txt")


def measure(kills: int, each_run: int, seed: int) -> dict[str, int]:
    """Return how many kills there were, by target, and how many outputs were compared."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        fresh = House.build(Path(place) / "here")
        kept = fresh.copy_to(Path(place) / "fresh")
        begun = time.monotonic()
        quiet = fresh.snakemake()
        if quiet.returncode:
            raise RuntimeError(quiet.text)
        seconds = time.monotonic() - begun
        wanted = digests(fresh)
        counts = dict.fromkeys(TARGETS, 0) | {"runs": 0, "outputs": len(wanted), "different": 0}
        while sum(counts[target] for target in TARGETS) < kills:
            house = kept.copy_to(fresh.place)
            left = kills - sum(counts[target] for target in TARGETS)
            for target in interrupted_run(house, min(each_run, left), draw, seconds / 4):
                if target in counts:
                    counts[target] += 1
            found = digests(house)
            different = {n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n)}
            counts["runs"] += 1
            counts["different"] += len(different)
            print(counts, *sorted(different), flush=True)
    return counts


def main() -> int:
    """Print the count of kills; exit status 1 if any output differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--each-run", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    counts = measure(chosen.kills, chosen.each_run, chosen.seed)
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
