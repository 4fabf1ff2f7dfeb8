"""Sum up what the inspection of a cohort found: text for the terminal, and a page."""

from pathlib import Path

from workflow.liverseg.cohort_page import Inspected, page
from workflow.liverseg.cohort_page import summary as summary_of
from workflow.liverseg.files import read_json, read_table, write_text


def main(
    cohort: Path, rejected: Path, remarks: Path, records: list[Path], summary: Path, page_file: Path
) -> None:
    """Write summary and page."""
    inspected = Inspected(
        cohort=read_table(cohort),
        rejected=read_table(rejected),
        remarks=read_table(remarks),
        records=[read_json(path) for path in records],
    )
    write_text(summary, summary_of(inspected))
    write_text(page_file, page(inspected))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
