"""Make one patient's mask, surfaces and pictures small enough for the page."""

from pathlib import Path

from workflow.liverseg.images import Image, read_image
from workflow.liverseg.intake import read_masks
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.report_cases import encode_case
from workflow.liverseg.report_payload import read_payload, write_payload
from workflow.liverseg.report_scans import ViewGrid


def main(
    scan: Path,
    mask: Path,
    label: Path | list[Path],
    meshes: list[Path],
    overlay: Path,
    projection: Path,
    surface: Path,
    data: Path,
    model: str,
    patient: str,
    settings: dict,
) -> None:
    """Write the data file `cases/{model}/{patient}.js`; `label` is empty where there is none."""
    labels = LabelMap.from_settings(settings["labels"])
    if isinstance(label, Path):
        classes, reference, affine = read_masks(mask, label, labels, patient)
    else:
        image = read_image(mask, dtype=None)
        classes, reference, affine = image.data, None, image.affine
    content = encode_case(
        Image(classes, affine),
        reference,
        grid=ViewGrid.from_json(read_payload(scan)),
        labels=labels,
        surfaces=meshes,
        pictures=[overlay, projection, surface],
        settings=settings["viewer"],
    )
    write_payload(data, f"cases/{model}/{patient}", content)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
