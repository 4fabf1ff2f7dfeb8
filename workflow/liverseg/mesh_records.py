"""What `mesh.json` says of each region's surface."""

from typing import Any

import numpy as np

from workflow.liverseg.labels import LabelMap
from workflow.liverseg.meshes import (
    Surface,
    area_cm2,
    centre_of_gravity_mm,
    deviation_from_mask,
    is_closed,
    mask_volume_ml,
    volume_ml,
)


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


def region_record(surface: Surface, mask: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """Figures of one region's surface (LPS mm) and of the mask (i, j, k) that it stands for.

    `absent` is true, and every figure of the surface null, where the mask is empty.
    """
    mask_ml, absent = mask_volume_ml(mask, affine), surface.empty
    surface_ml = volume_ml(surface)
    return {
        "absent": absent,
        "volume_ml": None if absent else surface_ml,
        "mask_volume_ml": mask_ml,
        "volume_error_percent": None if absent else 100.0 * (surface_ml - mask_ml) / mask_ml,
        "area_cm2": None if absent else area_cm2(surface),
        "vertices": len(surface.vertices_mm),
        "triangles": len(surface.triangles),
        "closed": None if absent else is_closed(surface),
        "centre_of_gravity_mm": None if absent else centre_of_gravity_mm(surface).tolist(),
        "deviation_from_mask": deviation_from_mask(surface, mask, affine),
    }
