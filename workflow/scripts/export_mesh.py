"""Turn one patient's probability and mask into surfaces of each region, measured and exported."""

from pathlib import Path

from workflow.liverseg.files import write_json
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.mesh_files import write_scene, write_surface
from workflow.liverseg.mesh_inputs import read_mesh_inputs
from workflow.liverseg.mesh_records import (
    make_surface,
    region_probability,
    region_record,
    scene_colours,
)
from workflow.liverseg.pieces import OF_ORGANS, OF_TUMOURS


def main(
    image: Path, mask: Path, probability: Path, meshes: list[Path], scene: Path, record: Path,
    patient: str, model: str, settings: dict,
) -> None:  # fmt: skip
    """Write one file per region and format (`{region}.{format}`), the scene and the record."""
    label_map = LabelMap.from_settings(settings["labels"])
    scan = read_mesh_inputs(mask, probability, image, patient)
    colours = scene_colours(label_map.names)
    surfaces, regions = {}, {}
    for region in label_map.names:
        inside = label_map.inside(scan.classes, region)
        chance = region_probability(scan.probability, label_map, region, slope=scan.slope)
        surface, correction = make_surface(chance, inside, scan.affine, settings=settings["mesh"])
        for path in (path for path in meshes if path.stem == region):
            write_surface(path, surface, name=region, colour=colours[region][:3])
        touching = OF_TUMOURS if region in label_map.inner else OF_ORGANS
        regions[region] = region_record(
            surface, inside, scan.affine, scan.hu, correction, touching=touching
        )
        surfaces[region] = surface
    write_scene(scene, surfaces, colours)
    write_json(record, {"patient": patient, "model": model, "frame": "LPS", "regions": regions})


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
