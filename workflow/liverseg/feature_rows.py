"""A region's record in `mesh.json` as one row of a table."""

from typing import Any


def feature_row(record: dict[str, Any]) -> dict[str, Any]:
    """One region of `mesh.json` as flat columns of `features.csv`, the unit in each name."""
    features = record["features"]
    shape, intensity, pieces = features["shape"], features["intensity_hu"], features["pieces"]
    extents = shape["extents_mm"] or [None] * 3
    row: dict[str, Any] = {"volume_voxels_ml": record["mask_volume_ml"]}
    row |= {name: value for name, value in shape.items() if name != "extents_mm"}
    row |= {f"extent_{axis}_mm": value for axis, value in zip("lps", extents, strict=True)}
    row |= {f"{name}_hu": value for name, value in intensity.items() if name != "histogram"}
    largest = pieces["volumes_ml"][0] if pieces["number"] else None
    return row | {"pieces": pieces["number"], "largest_piece_ml": largest}
