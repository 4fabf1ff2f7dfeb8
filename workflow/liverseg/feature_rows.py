"""A region's record in `mesh.json` as one row of a table."""

from typing import Any

SHAPE = (
    "volume_mesh_ml", "surface_area_cm2", "sphericity", "surface_to_volume_per_mm",
    "maximum_diameter_mm", "extents_mm",
)  # fmt: skip
INTENSITY = (
    "mean", "standard_deviation", "variance", "skewness", "kurtosis", "median", "minimum",
    "percentile_10", "percentile_90", "maximum", "interquartile_range", "range", "histogram",
)  # fmt: skip


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


def feature_columns() -> list[str]:
    """The columns of `feature_row`, which a table without rows has too."""
    nothing = {"shape": dict.fromkeys(SHAPE), "intensity_hu": dict.fromkeys(INTENSITY)}
    pieces = {"number": 0, "volumes_ml": []}
    return list(feature_row({"mask_volume_ml": None, "features": {**nothing, "pieces": pieces}}))
