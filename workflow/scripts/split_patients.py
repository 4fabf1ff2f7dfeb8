"""Split the admitted patients by person into train, validation, test and predict."""

from pathlib import Path

import pandas as pd

from workflow.liverseg.files import read_table, write_table
from workflow.liverseg.splitting import Assignment, empty_test, members_of, split_patients


def main(cohort: Path, split: Path, settings: dict) -> None:
    """Write `split.tsv`; nobody stands in two splits, whatever name a scan has."""
    fractions = {name: settings["split"][name] for name in ("train", "validation", "test")}
    assignments = split_patients(
        members_of(read_table(cohort)), fractions=fractions, seed=settings["split"]["seed"]
    )
    if empty_test(assignments):
        print("Warning: the split column leaves no patient to test on; no score will be made.")
    columns = list(Assignment.__dataclass_fields__)
    write_table(split, pd.DataFrame([vars(a) for a in assignments], columns=columns))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
