"""Record where every result came from: digests, settings, code, versions, as an RO-Crate."""

from pathlib import Path

from workflow.liverseg.commands import read_commands
from workflow.liverseg.files import write_json, write_text
from workflow.liverseg.provenance import read_records, write_digests
from workflow.liverseg.run_crate import SNAKEFILE, write_crate
from workflow.liverseg.software import installed_versions


def main(
    crate: Path, digests: Path, snakefile: Path, config: Path, versions: Path, settings: dict
) -> None:
    """Write the crate, the table of digests and what the crate names of the working directory."""
    here = Path()
    own = {path.as_posix() for path in (crate, digests, snakefile, config, versions)}
    records = [record for record in read_records(here) if record.output not in own]
    write_digests(records, digests, here)
    write_text(snakefile, SNAKEFILE.read_text(encoding="utf-8"))
    write_json(config, settings)
    installed = installed_versions()
    write_json(versions, installed)
    beside = {
        snakefile: "the workflow",
        config: "settings of the run",
        digests: "each result with its digest, times, settings and code",
        versions: "versions of the software",
    }
    write_crate(
        records,
        path=crate,
        beside={file.relative_to(crate.parent).as_posix(): what for file, what in beside.items()},
        commands=read_commands(here),
        versions=installed,
    )


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
