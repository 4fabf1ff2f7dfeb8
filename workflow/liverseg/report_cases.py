"""What the page shows of one patient under one model: mask, surfaces, pictures."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture

from workflow.liverseg.colours import region_colour
from workflow.liverseg.images import Image
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.report_payload import encode_runs, to_address
from workflow.liverseg.report_scans import ViewGrid, canonical_route, pick_centres
from workflow.liverseg.report_surfaces import prepare_surface

QUALITIES = (82, 70, 55, 40, 25)


def encode_case(
    mask: Image,
    reference: np.ndarray | None,
    *,
    grid: ViewGrid,
    labels: LabelMap,
    surfaces: Sequence[Path],
    pictures: Sequence[Path],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """The content of one case's data file.

    `mask` and `reference` hold classes (i, j, k) on the CT's own grid; `surfaces` are STL files
    named as their regions; `settings` is the config's `report.viewer`.
    """
    route = canonical_route(mask.data.shape, mask.affine)
    drawn = []
    for number, region in enumerate(labels.names):
        path = next((path for path in surfaces if path.stem == region), None)
        inside = None if reference is None else labels.inside(reference, region)
        surface = path and prepare_surface(path, inside, mask.affine, settings)
        if surface:
            drawn.append({"name": region, "colour": region_colour(number), **surface})
    return {
        "mask": encode_view(mask.data, route.to_canonical, grid),
        "reference": None
        if reference is None
        else encode_view(reference, route.to_canonical, grid),
        "regions": [
            {
                "name": region,
                "classes": list(labels.region(region)),
                "colour": region_colour(number),
            }
            for number, region in enumerate(labels.names)
        ],
        "surfaces": drawn,
        "pictures": {
            path.stem: shrink_picture(path, limit_bytes=settings["picture_kb"] * 1000)
            for path in pictures
        },
    }


def encode_view(classes: np.ndarray, turn: Any, grid: ViewGrid) -> str:
    """Classes (i, j, k) as the page draws them: run lengths of the view's (z, y, x)."""
    return encode_runs(pick_centres(turn(classes), grid).transpose(2, 1, 0))


def shrink_picture(path: Path, *, limit_bytes: int, longest: int = 1200) -> str:
    """A picture of at most `limit_bytes` as an address; smaller if no quality makes it fit."""
    with Picture.open(path) as stored:
        picture = stored.convert("RGB")
    picture.thumbnail((longest, longest))
    while True:
        for quality in QUALITIES:
            stream = io.BytesIO()
            picture.save(stream, "WEBP", quality=quality, method=4)
            if stream.tell() <= limit_bytes or max(picture.size) < 64:
                return to_address(stream.getvalue(), "webp")
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))
