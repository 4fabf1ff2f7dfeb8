"""Make one patient's CT small enough for the page: fewer voxels, eight bits."""

from pathlib import Path

from workflow.liverseg.intake import read_case
from workflow.liverseg.report_payload import write_payload
from workflow.liverseg.report_scans import encode_scan


def main(image: Path, data: Path, patient: str, settings: dict) -> None:
    """Write the data file `scans/{patient}.js` of the page."""
    case = read_case(image, None, patient)
    content, _ = encode_scan(case.image.data, case.image.affine, settings["viewer"])
    write_payload(data, f"scans/{patient}", content)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
