"""Bring one patient's CT in from DICOM, NRRD or MetaImage files; a refusal goes into the record."""

from pathlib import Path

from workflow.liverseg.imports import import_image


def main(
    sources: list[Path], label_sources: list[Path], ct: Path, record: Path, secret: str
) -> None:
    """Write the CT as NIfTI with a fresh header, and what was chosen on the way."""
    import_image(sources, label_sources, ct, record, Path(secret))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
