"""Turn one patient's probability and mask into surfaces of each region, measured and exported."""

from pathlib import Path

from workflow.liverseg.colours import region_colour, rgb
from workflow.liverseg.files import write_json
from workflow.liverseg.images import read_image
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.mesh_files import write_surface
from workflow.liverseg.mesh_records import region_probability, region_record
from workflow.liverseg.meshes import extract_surface


def main(
    mask: Path, probability: Path, meshes: list[Path], record: Path, patient: str, model: str,
    settings: dict,
) -> None:  # fmt: skip
    """Write one file per region and format (`{region}.{format}`), and the record of all."""
    label_map = LabelMap.from_settings(settings["labels"])
    chosen = settings["mesh"]
    classes, soft = read_image(mask, dtype=None), read_image(probability)
    regions = {}
    for number, region in enumerate(label_map.names):
        inside = label_map.inside(classes.data, region)
        surface = extract_surface(
            region_probability(soft.data, label_map, region),
            inside,
            classes.affine,
            iterations=chosen["iterations"],
            pass_band=chosen["pass_band"],
        )
        for path in (path for path in meshes if path.stem == region):
            write_surface(path, surface, name=region, colour=rgb(region_colour(number)))
        regions[region] = region_record(surface, inside, classes.affine)
    write_json(record, {"patient": patient, "model": model, "frame": "LPS", "regions": regions})


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # noqa: F821
