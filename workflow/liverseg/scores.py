"""How well one predicted mask agrees with its reference, on the patient's own grid.

Every figure is taken over the whole scan, never over chunks, and the background is no class: a
Dice that counts background, or that is averaged over chunks, flatters. Surfaces are those of
Nikolov et al. 2021 (doi:10.2196/26151): elements of area between voxel centres, so that anisotropic
spacing and the number of voxels on an edge do not bias the distances. MONAI finds them.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workflow.liverseg.boxes import bounding_box
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.percentiles import weighted_percentile
from workflow.liverseg.voxels import voxel_ml

METRICS = (
    "dice",
    "iou",
    "precision",
    "recall",
    "specificity",
    "nsd",
    "hd95_mm",
    "mean_surface_distance_mm",
    "volume_error_ml",
    "absolute_volume_error_ml",
    "volume_error_percent",
    "absolute_volume_error_percent",
)


@dataclass(frozen=True)
class Overlap:
    """Voxels of a predicted and a reference mask that agree and disagree."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


@dataclass(frozen=True)
class Surfaces:
    """Elements of two surfaces: each one's distance (mm) to the other surface, and area (mm²)."""

    predicted_distances_mm: np.ndarray
    predicted_areas_mm2: np.ndarray
    reference_distances_mm: np.ndarray
    reference_areas_mm2: np.ndarray


def score_region(
    predicted: np.ndarray,
    reference: np.ndarray,
    *,
    spacing_mm: Sequence[float],
    voxel_ml: float,
    tolerance_mm: float,
) -> dict[str, float | None]:
    """Score one region of one patient.

    `predicted` and `reference` are boolean (i, j, k) of one shape, `spacing_mm` the distance of
    their voxel centres along i, j, k, `voxel_ml` the volume of a voxel. Returns
    METRICS, and `predicted_ml`, `reference_ml` and `overlap_ml`. What cannot be measured is None:

    | | both empty | nothing predicted | nothing in the reference |
    |---|---|---|---|
    | dice, iou, nsd | 1 | 0 | 0 |
    | precision | None | None | 0 |
    | recall | None | 0 | None |
    | hd95_mm, mean_surface_distance_mm | None | None | None |
    | volume_error_percent (and absolute) | None | -100 (100) | None |

    Specificity counts the whole scan's background, and is None where there is none.
    Raises ValueError if the shapes differ.
    """
    if predicted.shape != reference.shape:
        raise ValueError(f"masks of one shape are needed, not {predicted.shape}, {reference.shape}")
    counts = count_overlap(predicted, reference)
    scores = overlap_scores(counts)
    surfaces = measure_surfaces(predicted, reference, spacing_mm=spacing_mm)
    if surfaces is None:
        # Dice is 1 where both are empty and 0 where one is, which is what an NSD says there too.
        scores |= {"nsd": scores["dice"], "hd95_mm": None, "mean_surface_distance_mm": None}
    else:
        scores |= distance_scores(surfaces, tolerance_mm=tolerance_mm)
    return scores | volume_scores(
        predicted_ml=(counts.true_positive + counts.false_positive) * voxel_ml,
        reference_ml=(counts.true_positive + counts.false_negative) * voxel_ml,
        overlap_ml=counts.true_positive * voxel_ml,
    )


def score_regions(
    predicted: np.ndarray,
    reference: np.ndarray,
    *,
    label_map: LabelMap,
    affine: np.ndarray,
    tolerance_mm: float,
) -> dict[str, dict[str, float | None]]:
    """`score_region` of each region of two arrays of classes (i, j, k), by the region's name.

    `affine` (4, 4) takes their indices to mm. ASSUME axes at right angles for distances, which a
    shear of a few degrees changes little; volumes are exact.
    """
    i_mm, j_mm, k_mm = (float(step) for step in np.linalg.norm(affine[:3, :3], axis=0))
    return {
        name: score_region(
            label_map.inside(predicted, name),
            label_map.inside(reference, name),
            spacing_mm=(i_mm, j_mm, k_mm),
            voxel_ml=voxel_ml(affine),
            tolerance_mm=tolerance_mm,
        )
        for name in label_map.names
    }


def count_overlap(predicted: np.ndarray, reference: np.ndarray) -> Overlap:
    """Count voxels of two boolean masks of one shape."""
    both = int(np.count_nonzero(predicted & reference))
    in_predicted = int(np.count_nonzero(predicted))
    in_reference = int(np.count_nonzero(reference))
    return Overlap(
        true_positive=both,
        false_positive=in_predicted - both,
        false_negative=in_reference - both,
        true_negative=predicted.size - in_predicted - in_reference + both,
    )


def overlap_scores(counts: Overlap) -> dict[str, float | None]:
    """Dice, IoU, precision, recall and specificity; empty masks as `score_region` says."""
    hit, extra, missed = counts.true_positive, counts.false_positive, counts.false_negative
    return {
        "dice": _ratio(2 * hit, 2 * hit + extra + missed, empty=1.0),
        "iou": _ratio(hit, hit + extra + missed, empty=1.0),
        "precision": _ratio(hit, hit + extra, empty=None),
        "recall": _ratio(hit, hit + missed, empty=None),
        "specificity": _ratio(counts.true_negative, counts.true_negative + extra, empty=None),
    }


def volume_scores(
    *, predicted_ml: float, reference_ml: float, overlap_ml: float
) -> dict[str, float | None]:
    """Volumes (ml) and their difference, predicted minus reference, in ml and percent."""
    error_ml = predicted_ml - reference_ml
    percent = _ratio(100.0 * error_ml, reference_ml, empty=None)
    return {
        "predicted_ml": predicted_ml,
        "reference_ml": reference_ml,
        "overlap_ml": overlap_ml,
        "volume_error_ml": error_ml,
        "absolute_volume_error_ml": abs(error_ml),
        "volume_error_percent": percent,
        "absolute_volume_error_percent": None if percent is None else abs(percent),
    }


def measure_surfaces(
    predicted: np.ndarray, reference: np.ndarray, *, spacing_mm: Sequence[float]
) -> Surfaces | None:
    """Find the surface elements of two boolean (i, j, k) masks and their distances.

    A mask that touches the border of the scan ends there. None if either mask is empty.
    """
    if not (predicted.any() and reference.any()):
        return None
    from monai.metrics.utils import get_edge_surface_distance
    from torch import from_numpy

    box = bounding_box(predicted | reference)
    # One voxel of background around both, so that the surface closes at the border of the scan.
    pair = [from_numpy(np.pad(mask[box], 1)) for mask in (predicted, reference)]
    with warnings.catch_warnings():
        # MONAI 1.6 warns of an argument that only MONAI itself passes.
        warnings.filterwarnings(
            "ignore", message=".*always_return_as_numpy", category=FutureWarning
        )
        edges, distances, areas = get_edge_surface_distance(
            pair[0],
            pair[1],
            spacing=tuple(float(step) for step in spacing_mm),
            use_subvoxels=True,
            symmetric=True,
        )
    flat = []
    for edge, distance, area in zip(edges, distances, areas, strict=True):
        flat += [distance.numpy().astype(np.float64), area[edge].numpy().astype(np.float64)]
    return Surfaces(*flat)


def distance_scores(surfaces: Surfaces, *, tolerance_mm: float) -> dict[str, float | None]:
    """Normalised surface Dice, 95th percentile Hausdorff distance and mean surface distance.

    NSD is the share of both surfaces' area that lies within `tolerance_mm` of the other one.
    HD95 is the larger of the two directions' 95th percentiles, each weighted by area; the mean
    surface distance weights all elements of both surfaces by area. Elements sit on the corners of
    voxels: distances of planes along the axes are exact, those of oblique surfaces about half a
    voxel too small, as in the original.
    """
    distances = (surfaces.predicted_distances_mm, surfaces.reference_distances_mm)
    areas = (surfaces.predicted_areas_mm2, surfaces.reference_areas_mm2)
    joint_distances, joint_areas = np.concatenate(distances), np.concatenate(areas)
    # Distances come in single precision: 2.4000001 mm is within 2.4 mm.
    near = joint_areas[joint_distances <= tolerance_mm * (1 + 1e-6)].sum()
    return {
        "nsd": float(near / joint_areas.sum()),
        "hd95_mm": max(
            weighted_percentile(of_one, area, 95.0)
            for of_one, area in zip(distances, areas, strict=True)
        ),
        "mean_surface_distance_mm": float(np.average(joint_distances, weights=joint_areas)),
    }


def _ratio(part: float, whole: float, *, empty: float | None) -> float | None:
    return empty if whole == 0 else float(part / whole)
