"""Write the SHA-256 of every inspected file that is sound, by patient and part."""

from pathlib import Path

from workflow.liverseg import manifest as manifests
from workflow.liverseg.files import read_json


def main(records: list[Path], manifest: Path) -> None:
    """Write the manifest from the inspections' records."""
    manifests.write_manifest(manifest, [read_json(path) for path in records])


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
