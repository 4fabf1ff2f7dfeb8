"""Gather the measurements of all patients' regions into one table."""

from pathlib import Path

import pandas as pd

from workflow.liverseg.feature_rows import feature_columns, feature_row
from workflow.liverseg.files import read_json, write_table


def main(records: list[Path], table: Path) -> None:
    """Write one row a model, patient and region, ordered by the three."""
    rows = [
        {"model": record["model"], "patient": record["patient"], "region": region}
        | feature_row(figures)
        for record in map(read_json, records)
        for region, figures in record["regions"].items()
    ]
    # A run may predict nobody: its table has a header all the same.
    found = pd.DataFrame(rows, columns=["model", "patient", "region", *feature_columns()])
    write_table(table, found.sort_values(["model", "patient"], kind="stable"))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
