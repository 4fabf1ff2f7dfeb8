"""Inspect one patient's CT and label: every byte read once, all findings in one record."""

import json
from pathlib import Path

from workflow.liverseg.files import write_json
from workflow.liverseg.import_records import with_imports
from workflow.liverseg.inspection import inspect
from workflow.liverseg.labels import LabelMap


def main(
    image: Path,
    label: Path | list[Path],
    record: Path,
    patient: str,
    settings: dict,
    imported: list[Path] | None = None,
    manifest: str = "null",
    spacing_mm: str = "null",
) -> None:
    """Write the record; a patient to be rejected gets one as well.

    `manifest` and `spacing_mm` are JSON, as params are compared as text.
    """
    found = inspect(
        image=image,
        label=label if isinstance(label, Path) else None,
        patient=patient,
        labels=LabelMap.from_settings(settings["labels"]),
        settings=settings["inspection"],
        manifest=json.loads(manifest),
        spacing_mm=json.loads(spacing_mm),
        volumes=settings.get("volumes"),
    )
    write_json(record, with_imports(found, imported or []))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
