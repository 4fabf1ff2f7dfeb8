"""prediction.json: how a mask came to be, what was cleaned away, and how far to trust it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from workflow.liverseg.cleanup import CleanUp
from workflow.liverseg.confidence import gather, judge
from workflow.liverseg.inner_regions import gather_inner
from workflow.liverseg.labels import LabelMap
from workflow.liverseg.prediction import Prediction
from workflow.liverseg.voxels import voxel_ml

FORMAT = "liverseg-prediction-1"


def record_of(
    patient: str,
    models: Sequence[str],
    prediction: Prediction,
    clean: CleanUp,
    *,
    hu: np.ndarray,
    affine: np.ndarray,
    labels: LabelMap,
    limits: dict[str, Any],
    compute: str,
) -> dict[str, Any]:
    """Gather the record of one cleaned prediction; `limits` is the config's `confidence`."""
    evidence = gather(
        hu,
        prediction.mask,
        affine,
        clean=clean,
        agreement=prediction.agreement,
        expected_dice=prediction.expected_dice,
    )
    inner = gather_inner(prediction.mask, voxel_ml(affine), labels, prediction.inner)
    light, checks = judge(evidence, limits, inner)
    return {
        "format": FORMAT,
        "patient": patient,
        "models": list(models),
        "confidence": {
            "light": light,
            "reasons": [check.reason for check in checks if check.light != "green"],
            "checks": [asdict(check) for check in checks],
            "expected_dice": prediction.expected_dice,
            "members": asdict(prediction.agreement),
            "inner": {name: asdict(doubt) for name, doubt in prediction.inner.items()},
        },
        "volume_ml": _volumes(prediction.mask, affine, labels),
        "clean_up": asdict(clean),
        "windows": {
            "size": list(prediction.window),
            "run": prediction.tally.run,
            "skipped": prediction.tally.skipped,
        },
        "compute": compute,
    }


def _volumes(mask: np.ndarray, affine: np.ndarray, labels: LabelMap) -> dict[str, float]:
    counts = np.zeros(labels.n_classes, dtype=np.int64)
    for k in range(mask.shape[2]):  # bincount makes 8 bytes of each voxel
        counts += np.bincount(mask[:, :, k].ravel(order="K"), minlength=labels.n_classes)
    return {
        name: float(sum(counts[index] for index in labels.region(name)) * voxel_ml(affine))
        for name in labels.names
    }
