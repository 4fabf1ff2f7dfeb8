"""Make one synthetic CT with its label; the CT of a damaged patient is cut short on purpose."""

from pathlib import Path

from workflow.liverseg.phantoms import write_phantom


def main(ct: Path, label: Path, patient: str, settings: dict) -> None:
    """Write CT and label of one demo patient, each whole."""
    write_phantom(ct, label, patient, settings["phantoms"])


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
