"""Keep the chunks of one patient that hold liver, and some of the empty ones by choice."""

from pathlib import Path

from workflow.liverseg.chunks import keep_chunks
from workflow.liverseg.files import read_table, write_table


def main(table: Path, kept: Path, patient: str, settings: dict) -> None:
    """Write the rows of the chunk table that training reads."""
    write_table(kept, keep_chunks(read_table(table), patient, settings["filter"]))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
