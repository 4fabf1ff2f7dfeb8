"""Bring one CT (and its label, if any) to canonical axes, spacing, window and size."""

from pathlib import Path

from workflow.liverseg.intake import read_case
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.volume_files import write_volume
from workflow.liverseg.volumes import prepare


def main(image: Path, label: Path | list[Path], volume: Path, patient: str, settings: dict) -> None:
    """Write the prepared volume; `label` is an empty list for a patient without one."""
    labels = LabelMap.from_settings(settings["labels"])
    case = read_case(image, label if isinstance(label, Path) else None, patient)
    classes = None if case.label is None else labels.classes(case.label.data)
    write_volume(volume, prepare(case.image, classes, settings["volumes"]))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
