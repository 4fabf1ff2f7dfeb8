"""Admit or reject each patient by all records together; the rejected are listed with why."""

import json
from pathlib import Path

from workflow.liverseg.admission import Person, admit, rejection_lines
from workflow.liverseg.files import read_json, write_table
from workflow.liverseg.findings import Refusal, finding_from_json


def main(
    records: list[Path],
    cohort: Path,
    rejected: Path,
    remarks: Path,
    people: str,
    refused: str,
) -> None:
    """Write the tables, also of nobody; `people` and `refused` are JSON, compared as text."""
    admission = admit(
        [read_json(path) for path in records],
        refused=[Refusal(r["patient"], finding_from_json(r)) for r in json.loads(refused)],
        people={name: Person(**values) for name, values in json.loads(people).items()},
    )
    print("\n".join(rejection_lines(admission.rejected)))
    write_table(cohort, admission.cohort)
    write_table(rejected, admission.rejected)
    write_table(remarks, admission.remarks)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
