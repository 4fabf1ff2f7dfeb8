"""Fetch a released dataset, verify its checksum, and unpack it beside the record."""

from pathlib import Path

from workflow.liverseg.fetching import fetch_and_unpack


def main(record: Path, settings: dict) -> None:
    """Leave the dataset's folder beside the record; a download that was cut off is resumed."""
    fetch_and_unpack(settings["dataset"], record)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
