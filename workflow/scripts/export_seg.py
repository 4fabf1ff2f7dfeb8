"""Write one patient's mask as a segmentation that 3D Slicer opens."""

from pathlib import Path

from workflow.liverseg.images import read_image
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.segmentations import write_seg_nrrd


def main(mask: Path, nrrd: Path, settings: dict) -> None:
    """Write one segment a region; regions that nest overlap."""
    label_map = LabelMap.from_settings(settings["labels"])
    classes = read_image(mask, dtype=None)
    regions = {name: label_map.inside(classes.data, name) for name in label_map.names}
    write_seg_nrrd(nrrd, regions, classes.affine)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
