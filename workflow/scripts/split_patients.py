"""Split the admitted patients by person into train, validation, test and predict, or into folds."""

from pathlib import Path

import pandas as pd

from workflow.liverseg.admission import check_admission
from workflow.liverseg.cross_validation import cross_validate
from workflow.liverseg.files import read_table, write_table
from workflow.liverseg.splitting import (
    SPLITS,
    kept_warnings,
    members_of,
    split_patients,
    split_warnings,
)


def main(cohort: Path, rejected: Path, split: Path, settings: dict) -> None:
    """Write `split.tsv`; nobody stands in two splits, whatever name a scan has.

    Stops where more were rejected than the config allows: whoever only inspects still gets tables.
    """
    admitted = read_table(cohort)
    check_admission(admitted, read_table(rejected), settings["inspection"])
    members = members_of(admitted)
    fractions = {name: settings["split"][name] for name in SPLITS}
    seed, folds = settings["split"]["seed"], settings["cross_validation"]["folds"]
    warnings: list[str] = []
    if folds:
        assigned = cross_validate(members, folds=folds, fractions=fractions, seed=seed)
        rows = [assignment.row() for assignment in assigned]
    else:
        assignments = split_patients(members, fractions=fractions, seed=seed)
        warnings = split_warnings(assignments)
        rows = [vars(assignment) for assignment in assignments]
    warnings += kept_warnings({row["patient"]: row["split"] for row in rows}, members)
    for warning in warnings:
        print(f"Warning: {warning}")
    write_table(split, pd.DataFrame(rows, columns=list(rows[0])))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
