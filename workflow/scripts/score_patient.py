"""Score one patient's predicted mask against the reference, on the patient's own grid."""

from pathlib import Path

from workflow.liverseg.files import write_json
from workflow.liverseg.intake import read_masks
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.scores import score_regions


def main(mask: Path, label: Path, scores: Path, patient: str, model: str, settings: dict) -> None:
    """Write `{patient, model, tolerance_mm, regions: {name: {metric: value}}}` as JSON."""
    label_map = LabelMap.from_settings(settings["labels"])
    tolerance_mm = settings["scores"]["surface_tolerance_mm"]
    predicted, reference, affine = read_masks(mask, label, label_map, patient)
    regions = score_regions(
        predicted,
        reference,
        label_map=label_map,
        affine=affine,
        tolerance_mm=tolerance_mm,
    )
    write_json(
        scores,
        {"patient": patient, "model": model, "tolerance_mm": tolerance_mm, "regions": regions},
    )


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
