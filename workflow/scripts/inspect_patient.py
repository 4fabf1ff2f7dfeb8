"""Inspect one patient's CT and label: every byte read once, all findings in one record."""

from pathlib import Path

from workflow.liverseg.files import write_json
from workflow.liverseg.imports import with_imports
from workflow.liverseg.inspection import inspect
from workflow.liverseg.labels import LabelMap


def main(
    image: Path,
    label: Path | list[Path],
    record: Path,
    patient: str,
    settings: dict,
    imported: list[Path] | None = None,
) -> None:
    """Write the record; a patient to be rejected gets one as well."""
    found = inspect(
        image=image,
        label=label if isinstance(label, Path) else None,
        patient=patient,
        labels=LabelMap.from_settings(settings["labels"]),
        settings=settings["inspection"],
    )
    write_json(record, with_imports(found, imported or []))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
