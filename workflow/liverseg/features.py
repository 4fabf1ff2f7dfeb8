"""Measurements of segmented regions, named and defined as the IBSI has them where it does.

IBSI: Image Biomarker Standardisation Initiative, reference manual (arXiv:1612.07003, v11) and
Zwanenburg et al. 2020 (doi:10.1148/radiol.2020191145). Its code of each feature stands beside it.
Intensities are the CT's own HU within the mask, neither resampled nor discretised; shape is that
of the exported surface.
"""

from typing import Any

import cc3d
import numpy as np
from scipy import stats
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from workflow.liverseg.feature_rows import INTENSITY, SHAPE
from workflow.liverseg.meshes import Surface, area_cm2, volume_ml
from workflow.liverseg.pieces import OF_ORGANS, Touching

BIN_HU = 10.0


def shape_features(surface: Surface) -> dict[str, Any]:
    """Shape of a closed surface.

    `volume_mesh_ml` (RNU0), `surface_area_cm2` (C0JK), `sphericity` (QCFX: area of the ball of
    the same volume by the area, 1 for a ball), `surface_to_volume_per_mm` (2PR5),
    `maximum_diameter_mm` (L0JK: largest distance of two vertices) and, not of IBSI, `extents_mm`
    along L, P, S of the scanner. All None for an empty surface.
    """
    if surface.empty:
        return dict.fromkeys(SHAPE)
    volume, area = volume_ml(surface), area_cm2(surface)
    volume_mm3, area_mm2 = volume * 1000.0, area * 100.0
    extents = surface.vertices_mm.max(axis=0) - surface.vertices_mm.min(axis=0)
    values = (volume, area, float(np.cbrt(36.0 * np.pi * volume_mm3**2)) / area_mm2,
              area_mm2 / volume_mm3, maximum_diameter_mm(surface), extents.tolist())  # fmt: skip
    return dict(zip(SHAPE, values, strict=True))


def maximum_diameter_mm(surface: Surface) -> float:
    """Largest distance between two vertices; they are corners of the convex hull."""
    hull = surface.vertices_mm[ConvexHull(surface.vertices_mm).vertices]
    # Thousands of corners of a smooth hull differ by less than the surface is known.
    return float(pdist(hull[:: max(1, len(hull) // 2000)]).max())


def intensity_features(hu: np.ndarray) -> dict[str, Any]:
    """First-order statistics of the HU (n,) of a region's voxels.

    IBSI intensity-based statistics: `mean` (Q4LE), `variance` (ECT3, of the population),
    `skewness` (KE2M), `kurtosis` (IPH6, 0 for a normal distribution), `median` (Y12H), `minimum`
    (1GSF), `percentile_10` (QG58), `percentile_90` (8DWT), `maximum` (84IY),
    `interquartile_range` (SALO), `range` (2OJQ); and `standard_deviation`, the root of the
    variance. `histogram` counts voxels in bins of BIN_HU: `{first_hu, bin_hu, counts}`.
    All None for no voxels; skewness and kurtosis 0 where all are equal, as IBSI says.
    """
    if not hu.size:
        return dict.fromkeys(INTENSITY)
    hu = hu.astype(np.float64)
    low, ten, quarter, middle, three_quarters, ninety, high = (
        float(value) for value in np.percentile(hu, [0, 10, 25, 50, 75, 90, 100])
    )
    variance, varied = float(hu.var()), high > low
    values = (
        float(hu.mean()), float(np.sqrt(variance)), variance,
        float(stats.skew(hu)) if varied else 0.0, float(stats.kurtosis(hu)) if varied else 0.0,
        middle, low, ten, ninety, high, three_quarters - quarter, high - low, histogram(hu),
    )  # fmt: skip
    return dict(zip(INTENSITY, values, strict=True))


def histogram(hu: np.ndarray) -> dict[str, Any]:
    """Voxels per bin of BIN_HU, from the bin that holds the smallest value on."""
    bins = np.floor(hu / BIN_HU).astype(np.int64)
    first = int(bins.min())
    # A metal artefact far out must not make thousands of empty bins.
    counts = np.bincount(np.minimum(bins - first, 500))
    return {"first_hu": first * BIN_HU, "bin_hu": BIN_HU, "counts": counts.tolist()}


def piece_features(
    mask: np.ndarray, voxel_ml: float, *, touching: Touching = OF_ORGANS
) -> dict[str, Any]:
    """Connected pieces of a boolean mask (i, j, k); `touching` says what hangs together.

    `number`, and `volumes_ml` from the largest to the smallest: of a tumour region, the tumours.
    """
    labelled, number = cc3d.connected_components(mask, connectivity=touching, return_N=True)
    sizes = np.bincount(labelled.ravel(), minlength=number + 1)[1:]
    return {"number": int(number), "volumes_ml": sorted((sizes * voxel_ml).tolist(), reverse=True)}
