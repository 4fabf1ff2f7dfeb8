"""Show one patient: slices with the mask's outline, a ray-cast projection, the surface."""

from pathlib import Path

from workflow.liverseg.images import read_image
from workflow.liverseg.intake import read_case
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.pictures import (
    as_patient,
    crop_to_body,
    draw_overlay,
    draw_projection,
    draw_surface,
    projection_volumes,
    scene_parts,
)
from workflow.liverseg.views import Scene, draw_views


def main(
    image: Path, mask: Path, meshes: list[Path], overlay: Path, projection: Path, surface: Path,
    patient: str, settings: dict,
) -> None:  # fmt: skip
    """Write the three pictures as PNG."""
    chosen = settings["pictures"]
    label_map = LabelMap.from_settings(settings["labels"])
    classes = read_image(mask, dtype=None)
    regions = {name: label_map.inside(classes.data, name) for name in label_map.names}
    hu = read_case(image, None, patient).image.data
    shown = crop_to_body(as_patient(hu, regions, classes.affine))
    draw_overlay(overlay, shown, window_hu=chosen["window_hu"], slices=chosen["slices"])
    parts = scene_parts({path.stem: path for path in meshes})
    body, inner = projection_volumes(shown)
    views = draw_views(Scene(inner, tuple(parts.values())))
    draw_projection(projection, shown, body, views)
    draw_surface(surface, views, parts=parts)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
