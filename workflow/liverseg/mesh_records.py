"""What `mesh.json` says of each region's surface."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.colours import region_colour, rgb
from workflow.liverseg.decimation import reduce_surface
from workflow.liverseg.features import intensity_features, piece_features, shape_features
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.mesh_deviation import deviation_from_mask
from workflow.liverseg.meshes import (
    Surface,
    area_cm2,
    centre_of_gravity_mm,
    extract_surface,
    is_manifold,
    mask_volume_ml,
    piece_of_vertices,
    volume_ml,
)
from workflow.liverseg.voxels import voxel_ml


def region_probability(probability: np.ndarray, label_map: LabelMap, region: str) -> np.ndarray:
    """Probability (i, j, k) that a voxel lies in the region.

    `probability` is (i, j, k) of the only foreground class, or (i, j, k, class) of each foreground
    class in class order; a region's is the sum over its classes. ValueError for other shapes.
    """
    n_foreground = label_map.n_classes - 1
    if probability.ndim == 3 and n_foreground == 1:
        return probability
    if probability.ndim == 4 and probability.shape[3] == n_foreground:
        chosen = [index - 1 for index in label_map.region(region)]
        return probability[..., chosen].sum(axis=3)
    raise ValueError(f"{n_foreground} foreground classes, probabilities of {probability.shape}")


def make_surface(
    probability: np.ndarray, mask: np.ndarray, affine: np.ndarray, *, settings: dict[str, Any]
) -> Surface:
    """Surface of one region (see `extract_surface`), simplified, as the `mesh` settings say."""
    surface = extract_surface(
        probability,
        mask,
        affine,
        iterations=settings["iterations"],
        pass_band=settings["pass_band"],
        one_piece=settings["one_piece"],
    )
    return reduce_surface(
        surface, triangles=settings["triangles"], deviation_mm=settings["deviation_mm"]
    )


def region_record(
    surface: Surface, mask: np.ndarray, affine: np.ndarray, hu: np.ndarray
) -> dict[str, Any]:
    """Figures of one region's surface (LPS mm), and of the mask and HU (i, j, k) behind it.

    `absent` is true, and every figure of the surface null, where the mask is empty.
    """
    mask_ml, absent = mask_volume_ml(mask, affine), surface.empty
    surface_ml = volume_ml(surface)
    # A liver fills a tenth of its scan: nothing is looked for in the rest.
    box = bounding_box(mask) if mask.any() else np.s_[:0, :0, :0]
    return {
        "absent": absent,
        "volume_ml": None if absent else surface_ml,
        "mask_volume_ml": mask_ml,
        "volume_error_percent": None if absent else 100.0 * (surface_ml - mask_ml) / mask_ml,
        "area_cm2": None if absent else area_cm2(surface),
        "vertices": len(surface.vertices_mm),
        "triangles": len(surface.triangles),
        "closed_manifold": None if absent else is_manifold(surface),
        "pieces": 0 if absent else int(piece_of_vertices(surface).max()) + 1,
        "centre_of_gravity_mm": None if absent else centre_of_gravity_mm(surface).tolist(),
        "deviation_from_mask": deviation_from_mask(surface, mask, affine),
        "features": {
            "shape": shape_features(surface),
            "intensity_hu": intensity_features(hu[box][mask[box]]),
            "pieces": piece_features(mask[box], voxel_ml(affine)),
        },
    }


def scene_colours(names: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
    """RGBA (0…255) of each region in a scene: the first translucent around the others."""
    alone = len(names) == 1
    return {
        name: (*rgb(region_colour(number)), 255 if number or alone else 90)
        for number, name in enumerate(names)
    }
