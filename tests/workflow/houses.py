"""A copy of the workflow with a tiny cohort of its own, that tests may edit, run and break."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from workflow.liverseg.phantoms import write_phantom

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).with_name("tiny.yaml")
SOURCES = ("Snakefile", "config", "envs", "profiles", "workflow")
# patient → split asked for in the sheet; None: a patient without label
COHORT = {"a1": "train", "a2": "train", "a3": "train", "b1": "validation", "c1": "test", "d1": None}
BLOCK = re.compile(
    r"^(?:local)?(?:rule|checkpoint) (\w+):\n((?:^    .*\n)*)", re.M
)  # as Snakemake announces a job
WILDCARDS = re.compile(r"^    wildcards: (.*)$", re.M)
REASON = re.compile(r"^    reason: (.*)$", re.M)


@dataclass(frozen=True)
class Run:
    """What one call of Snakemake said and did."""

    returncode: int
    text: str

    @property
    def jobs(self) -> set[str]:
        """Every job as `rule` or `rule wildcard wildcard`, the target rule left out."""
        return {name for name, _ in self._blocks()} - {"all"}

    @property
    def reasons(self) -> dict[str, str]:
        """The reason printed for each job."""
        found = ((name, REASON.search(body)) for name, body in self._blocks())
        return {name: reason[1] for name, reason in found if reason}

    def _blocks(self) -> list[tuple[str, str]]:
        blocks = []
        for rule, body in BLOCK.findall(self.text):
            found = WILDCARDS.search(body)
            values = [pair.split("=")[1] for pair in found[1].split(", ")] if found else []
            # A wildcard may be empty: that of the fold, where there is no cross-validation.
            blocks.append((" ".join([rule, *filter(None, values)]), body))
        return blocks


@dataclass(frozen=True)
class House:
    """`sources/`: a copy of the workflow; `run/`: its working directory; `run/data/`: the CTs."""

    place: Path

    @property
    def sources(self) -> Path:
        return self.place / "sources"

    @property
    def run(self) -> Path:
        return self.place / "run"

    @property
    def config(self) -> Path:
        return self.run / "tiny.yaml"

    @classmethod
    def build(cls, place: Path) -> "House":
        """Copy the workflow and draw the cohort of `COHORT`."""
        house = cls(place)
        house.run.mkdir(parents=True)
        house.sources.mkdir()
        for name in SOURCES:
            of = ROOT / name
            copy = shutil.copytree if of.is_dir() else shutil.copy
            copy(of, house.sources / name)
        house.config.write_text(TINY.read_text() + "patients: data/patients.tsv\n")
        for number, name in enumerate(COHORT, start=1):
            house.draw(name, number)
        house.write_sheet(COHORT)
        return house

    def draw(self, name: str, number: int) -> None:
        """Write a phantom's CT and label under a patient's name."""
        settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["phantoms"]
        settings |= yaml.safe_load(TINY.read_text())["phantoms"]
        folder = self.run / "data"
        write_phantom(
            folder / f"{name}.nii.gz",
            folder / f"{name}-label.nii.gz",
            f"phantom-{number:02d}",
            settings,
        )

    def write_sheet(self, cohort: dict[str, str | None]) -> None:
        """Write the table of patients; the label is left out where there is no split."""
        rows = ["patient\timage\tlabel\tsplit"]
        for name, split in cohort.items():
            label = f"{name}-label.nii.gz" if split else ""
            rows.append(f"{name}\t{name}.nii.gz\t{label}\t{split or ''}")
        (self.run / "data/patients.tsv").write_text("\n".join(rows) + "\n")

    def copy_to(self, place: Path) -> "House":
        """Put a copy, with its times, where nothing or an older copy stands."""
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["cp", "-a", str(self.place), str(place)], check=True)
        return House(place)

    def set(self, **sections: object) -> None:
        """Change settings: nested mappings are laid over those of the overlay."""
        config = yaml.safe_load(self.config.read_text())
        self.config.write_text(yaml.safe_dump(_over(config, sections)))

    def command(self, *options: str, cores: int = 2) -> list[str]:
        """Return a Snakemake call on this house."""
        start = [sys.executable, "-m", "snakemake", "--snakefile", str(self.sources / "Snakefile")]
        start += ["--directory", str(self.run), "--configfile", str(self.config)]
        return [*start, "--cores", str(cores), "--nocolor", *options]

    def snakemake(self, *options: str, cores: int = 2) -> Run:
        """Run Snakemake to its end."""
        done = subprocess.run(
            self.command(*options, cores=cores), capture_output=True, text=True, cwd=self.place
        )
        return Run(done.returncode, done.stdout + done.stderr)


def _over(config: dict, sections: dict) -> dict:
    merged = dict(config)
    for key, value in sections.items():
        below = merged.get(key)
        merged[key] = (
            _over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
        )
    return merged
