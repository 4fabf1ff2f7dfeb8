"""Record where every result came from: digests, settings, code, versions, as an RO-Crate."""

import json
from pathlib import Path

from workflow.liverseg.provenance import digests_of, read_records, write_crate, write_digests


def main(crate: Path, digests: Path, settings: dict) -> None:
    """Write the crate and the table of digests of the run in the working directory."""
    here = Path()
    own = crate.parent.as_posix()
    records = [record for record in read_records(here) if not record.output.startswith(own)]
    sums = digests_of([record.output for record in records], here)
    write_digests(records, sums, digests, here)
    write_crate(records, sums, folder=crate.parent, config=json.dumps(settings))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
