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
    Correction,
    Surface,
    area_cm2,
    centre_of_gravity_mm,
    centre_of_voxels,
    extract_surface,
    is_manifold,
    mask_volume_ml,
    piece_of_vertices,
    to_lps,
    volume_ml,
)
from workflow.liverseg.pieces import OF_ORGANS, Touching
from workflow.liverseg.voxels import voxel_ml


def region_probability(
    probability: np.ndarray, label_map: LabelMap, region: str, *, slope: float = 1.0
) -> np.ndarray:
    """Probability (i, j, k) float32 that a voxel lies in the region.

    `probability`, as stored, is (i, j, k) of the only foreground class, or (i, j, k, class) of each
    foreground class in class order; a region's is `slope` times the sum over its classes.
    ValueError for other shapes.
    """
    n_foreground = label_map.n_classes - 1
    if probability.ndim == 3 and n_foreground == 1:
        probability = probability[..., None]
    if probability.ndim != 4 or probability.shape[3] != n_foreground:
        raise ValueError(f"{n_foreground} foreground classes, probabilities of {probability.shape}")
    total = np.zeros(probability.shape[:3], dtype=np.float32, order="F")
    for index in label_map.region(region):  # one by one: several at once would be copied first
        total += probability[..., index - 1]
    total *= np.float32(slope)
    return total


def make_surface(
    probability: np.ndarray, mask: np.ndarray, affine: np.ndarray, *, settings: dict[str, Any]
) -> tuple[Surface, Correction]:
    """Surface of one region (see `extract_surface`), simplified, as the `mesh` settings say."""
    surface, correction = extract_surface(
        probability,
        mask,
        affine,
        iterations=settings["iterations"],
        pass_band=settings["pass_band"],
        one_piece=settings["one_piece"],
    )
    reduced = reduce_surface(
        surface, triangles=settings["triangles"], deviation_mm=settings["deviation_mm"]
    )
    return reduced, correction


def region_record(
    surface: Surface,
    mask: np.ndarray,
    affine: np.ndarray,
    hu: np.ndarray,
    correction: Correction,
    *,
    touching: Touching = OF_ORGANS,
) -> dict[str, Any]:
    """Figures of one region's surface (LPS mm), and of the mask and HU (i, j, k) behind it.

    `centre_offset_mm` is how far its centre of gravity lies from that of the mask's voxels;
    `shift_mm` and `volume_correction_percent` say what was done for that and for the volume.
    `touching` is what makes a piece of the mask. `absent` is true, and every figure of the surface
    null, where the mask is empty.
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
        "centre_offset_mm": None if absent else _centre_offset_mm(surface, mask, affine),
        "shift_mm": None if absent else correction.shift_mm,
        "volume_correction_percent": None if absent else correction.volume_percent,
        "deviation_from_mask": deviation_from_mask(surface, mask, affine),
        "features": {
            "shape": shape_features(surface),
            "intensity_hu": intensity_features(hu[box][mask[box]]),
            "pieces": piece_features(mask[box], voxel_ml(affine), touching=touching),
        },
    }


def _centre_offset_mm(surface: Surface, mask: np.ndarray, affine: np.ndarray) -> float:
    centre = to_lps(centre_of_voxels(mask)[None], affine)[0]
    return float(np.linalg.norm(centre_of_gravity_mm(surface) - centre))


def scene_colours(names: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
    """RGBA (0…255) of each region in a scene: the first translucent around the others."""
    alone = len(names) == 1
    return {
        name: (*rgb(region_colour(number)), 255 if number or alone else 90)
        for number, name in enumerate(names)
    }
