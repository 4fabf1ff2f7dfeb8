"""Inspect one patient's CT and label: every byte read once, all findings in one record."""

import json
from pathlib import Path

from workflow.liverseg.files import read_json, sha256, write_json
from workflow.liverseg.import_records import with_imports
from workflow.liverseg.inspection import inspect
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.manifest import with_manifest


def main(
    image: Path,
    label: Path | list[Path],
    record: Path,
    patient: str,
    settings: dict,
    imported: list[Path] | None = None,
    sources: list[Path] | None = None,
    manifest: str = "null",
    spacing_mm: str = "null",
) -> None:
    """Write the record; a patient to be rejected gets one as well.

    `imported` are records, and `sources` the user's CT and label where the spacing was corrected;
    `manifest` and `spacing_mm` are JSON, as params are compared as text.
    """
    found = inspect(
        image=image,
        label=label if isinstance(label, Path) else None,
        patient=patient,
        labels=LabelMap.from_settings(settings["labels"]),
        settings=settings["inspection"],
        spacing_mm=json.loads(spacing_mm),
        volumes=settings.get("volumes"),
    )
    found = with_imports(found, imported or [])
    digests = {path.stem: read_json(path)["sha256"] for path in imported or []}
    own = zip(("ct", "label"), sources or [], strict=False)
    digests |= {part: sha256(path) for part, path in own}
    write_json(record, with_manifest(found, json.loads(manifest), digests))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
