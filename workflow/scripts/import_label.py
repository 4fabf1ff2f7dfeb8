"""Bring one patient's label in from SEG, RTSTRUCT, NRRD or MetaImage onto the grid of its CT."""

from pathlib import Path

from workflow.liverseg.imports import import_label


def main(
    sources: list[Path],
    ct: Path,
    ct_record: Path | list[Path],
    label: Path,
    record: Path,
    settings: dict,
) -> None:
    """Write the label as NIfTI on the CT's grid; a refusal goes into the record."""
    import_label(
        sources=sources,
        ct=ct,
        ct_record=ct_record if isinstance(ct_record, Path) else None,
        structures=settings["dicom"]["structures"],
        label=label,
        record=record,
    )


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
