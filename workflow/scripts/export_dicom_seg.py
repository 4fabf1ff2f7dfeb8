"""Write one patient's mask as DICOM SEG, where the CT came as DICOM."""

from pathlib import Path

from workflow.liverseg.dicom_seg import write_dicom_seg
from workflow.liverseg.files import read_json, sha256
from workflow.liverseg.images import read_image
from workflow.liverseg.labels import LabelMap


def main(
    mask: Path,
    sources: list[Path],
    ct_record: Path,
    weights: list[Path],
    dicom: Path,
    patient: str,
    model: str,
    settings: dict,
) -> None:
    """Write one segment a region; regions that nest overlap."""
    label_map = LabelMap.from_settings(settings["labels"])
    series = read_json(ct_record)["series"]
    classes = read_image(mask, dtype=None)
    regions = {name: label_map.inside(classes.data, name) for name in label_map.names}
    write_dicom_seg(
        dicom,
        regions,
        classes.affine,
        sources,
        model=model,
        patient=patient,
        weights=[sha256(path) for path in weights],
        named=settings["dicom"]["seg"] == "named",
        imported=(series["digest"], series["acquisition"]),
    )


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
