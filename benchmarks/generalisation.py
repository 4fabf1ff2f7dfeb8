"""How a model fares on hospitals that it has not seen: each one left out in turn.

    python -m benchmarks.generalisation --data FOLDER --work DIR

FOLDER holds a folder a patient with ct.nii.gz and liver.nii.gz. Those of --hospitals are left out
in turn, by the workflow's own cross-validation; those of --always train in every fold. Prints the
Dice of each whole volume on the CT's own grid, by the fold that has not seen it, and the mean.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
MODEL = "laptop"


def main() -> None:
    """Train a fold for each hospital, predict it, and print the scores."""
    options = arguments()
    options.work.mkdir(parents=True, exist_ok=True)
    config = options.work / "folds.yaml"
    folds = {
        "patients": "patients.tsv",
        "cross_validation": {"folds": len(options.hospitals)},
        **options.settings,
    }
    config.write_text(yaml.safe_dump(folds))
    write_sheet(options)
    scores = [f"results/scores/{MODEL}/{patient}.json" for patient in options.hospitals]
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"),
         "--directory", str(options.work), "--cores", "2", "--quiet", "--configfile",
         str(ROOT / "config/examples/laptop.yaml"), str(config), "--", *scores],
        check=True, cwd=ROOT,
    )  # fmt: skip
    report(options)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the run stands")
    parser.add_argument(
        "--hospitals", nargs="+", default=["chaos_ct03", "amos_0018", "totalseg_example"]
    )
    parser.add_argument("--always", nargs="*", default=["amos_0001_slab", "amos_0013_slab"])
    parser.add_argument(
        "--settings",
        type=yaml.safe_load,
        default={},
        help='laid over the example: "{training: {epochs: 14}}"',
    )
    return parser.parse_args()


def write_sheet(options: argparse.Namespace) -> None:
    """Write the table of patients: the slabs' split is given, the hospitals' is left open."""
    rows = ["patient\timage\tlabel\tsplit"]
    for patient in (*options.hospitals, *options.always):
        folder = options.data.resolve() / patient
        split = "train" if patient in options.always else ""
        rows.append(f"{patient}\t{folder / 'ct.nii.gz'}\t{folder / 'liver.nii.gz'}\t{split}")
    (options.work / "patients.tsv").write_text("\n".join(rows) + "\n")


def report(options: argparse.Namespace) -> None:
    """Print Dice by patient, and the mean."""
    values = []
    for patient in options.hospitals:
        record = json.loads((options.work / f"results/scores/{MODEL}/{patient}.json").read_text())
        values.append(record["regions"]["liver"]["dice"])
        print(f"{patient:20} {values[-1]:.3f}")
    print(f"{'mean':20} {sum(values) / len(values):.3f}")


if __name__ == "__main__":
    main()
