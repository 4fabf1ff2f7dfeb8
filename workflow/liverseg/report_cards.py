"""What the page says of one patient under one model: a row of the table, and a card."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow.liverseg import report_charts as charts
from workflow.liverseg.grid_doubts import GRID_DOUBTS, grid_doubts
from workflow.liverseg.report_inputs import Case, Record, Run, number


@dataclass(frozen=True)
class Metric:
    """A score as the page shows it: its key in the records, name, unit, decimals, and meaning."""

    key: str
    name: str
    unit: str = ""
    decimals: int = 3
    meaning: str = ""


@dataclass(frozen=True)
class Light:
    """A traffic light: shape and word say the same as the colour, for those who don't see it."""

    level: str
    word: str
    rank: int


METRICS = (
    Metric("dice", "Dice", meaning="overlap: twice what both share by the sum of both; 1 is best"),
    Metric("iou", "IoU", meaning="what both share by what either covers; 1 is best"),
    Metric("precision", "Precision", meaning="part of the mask that lies in the reference"),
    Metric("recall", "Recall", meaning="part of the reference that the mask covers"),
    Metric("specificity", "Specificity", "", 4, "part of all else that the mask leaves out"),
    Metric("nsd", "Surface Dice (NSD)", meaning="part of both surfaces within the tolerance"),
    Metric("hd95_mm", "HD95", "mm", 1, "95 % of the surfaces are nearer to each other than this"),
    Metric("mean_surface_distance_mm", "Mean surface distance", "mm", 2, "average of that"),
    Metric("predicted_ml", "Volume, predicted", "ml", 0),
    Metric("reference_ml", "Volume, reference", "ml", 0),
    Metric("volume_error_ml", "Volume error", "ml", 1, "predicted minus reference"),
    Metric("volume_error_percent", "Volume error", "%", 1, "the same, of the reference"),
)
MASKS = ("mask.nii.gz", "masked_ct.nii.gz", "probability.nii.gz", "mask.seg.nrrd")
SURFACES = ("stl", "ply", "obj", "glb")
LIGHTS = {
    "green": Light("green", "plausible", 2),
    "yellow": Light("amber", "check", 1),
    "red": Light("red", "do not trust", 0),
}
NO_LIGHT = Light("none", "not rated", 3)
# What a liver's HU histogram is read within; metal and air far out would flatten it.
HISTOGRAM_HU = (-150.0, 350.0)


# Why a score has no value, by whether there is a predicted and a reference volume.
EMPTY = {
    (False, False): "nothing was predicted and nothing is in the reference: Dice, IoU and NSD are "
    "1 by convention; precision, recall, distances and the error in percent are undefined",
    (False, True): "nothing was predicted: precision and distances are undefined",
    (True, False): "nothing is in the reference: recall, distances and the error in percent are "
    "undefined",
}


def show(value: float, decimals: int, unit: str = "", absent: str = "–") -> str:
    """A number for readers; `absent` where there is none."""
    if not math.isfinite(value):
        return absent
    text = f"{value:.{decimals}f}".replace("-", "−")
    return f"{text} {unit}" if unit else text


def pretty(value: Any) -> str:
    """A setting or record as readable text; nothing for an empty one."""
    if isinstance(value, str):
        return value
    if value in ({}, [], None):
        return ""
    return json.dumps(value, indent=2, ensure_ascii=False)


def light_of(record: Record) -> Light:
    """The traffic light of a prediction or a check; what has none is not rated."""
    return LIGHTS.get(str(record.get("light", "")), NO_LIGHT)


def confidence_of(case: Case) -> Record:
    """Light, reasons and checks of a prediction; empty if that step made none."""
    return case.prediction.get("confidence") or {}


def regions_of(case: Case) -> list[str]:
    """Names of the regions that were predicted for a case."""
    return list(case.prediction.get("volume_ml", {}))


def doubts_of(case: Case, run: Run) -> list[str]:
    """Why mm and ml of a patient are doubtful, in words; empty where they are not."""
    return [GRID_DOUBTS[code] for code in grid_doubts(run.inspections.get(case.patient, {}))]


def table_row(case: Case, region: str, doubts: Sequence[str] = ()) -> dict[str, Any]:
    """One row of the table of patients: text to read and a number to sort by, for each column."""
    scores = case.scores.get("regions", {}).get(region, {})
    figures = (("reference_ml", 0), ("volume_error_percent", 1), ("dice", 3), ("nsd", 3),
               ("hd95_mm", 1))  # fmt: skip
    cells = [
        _cell(number(case.prediction.get("volume_ml", {}), region), 0),
        *(_cell(number(scores, name), decimals, scores) for name, decimals in figures),
    ]
    confidence = confidence_of(case)
    return {
        "case": case,
        "light": light_of(confidence),
        "reasons": list(confidence.get("reasons", [])),
        "doubts": doubts,
        "cells": cells,
    }


def card(case: Case, run: Run, *, seg: str = "none") -> dict[str, Any]:
    """What the page says of one patient under one model, beside the pictures.

    `seg` is the config's `dicom.seg`.
    """
    scored = case.scores.get("regions", {})
    meshed = case.mesh.get("regions", {})
    confidence = confidence_of(case)
    return {
        "case": case,
        "light": light_of(confidence),
        "reasons": list(confidence.get("reasons", [])),
        "checks": [
            {"light": light_of(check), "reason": check.get("reason", "")}
            for check in confidence.get("checks", [])
        ],
        "regions": list(scored),
        "scores": [_scores(metric, scored) for metric in METRICS] if scored else [],
        "empty": [
            f"{name}: {emptiness(record)}" for name, record in scored.items() if emptiness(record)
        ],
        "surfaces": list(meshed),
        "measurements": measurements(meshed),
        "histograms": [
            (name, hu_chart(name, record)) for name, record in meshed.items() if _histogram(record)
        ],
        "doubts": doubts_of(case, run),
        "findings": run.inspections.get(case.patient, {}).get("findings", []),
        "cleaning": pretty(case.prediction.get("clean_up", {})),
        "files": files_of(case, run, seg=seg),
        "names_patient": seg == "named" and came_as_dicom(case, run),
    }


def files_of(case: Case, run: Run, *, seg: str) -> list[tuple[str, str]]:
    """Name and address, from the page, of each file of a case that other programs open."""
    masks = [*MASKS, *(["mask.seg.dcm"] if seg != "none" and came_as_dicom(case, run) else [])]
    regions = case.mesh.get("regions", {})
    surfaces = [f"{region}.{ending}" for region in regions for ending in SURFACES]
    scene = ["scene.glb"] if regions else []
    return [
        *((name, f"../predictions/{case.key}/{name}") for name in masks),
        *((name, f"../meshes/{case.key}/{name}") for name in (*surfaces, *scene)),
    ]


def came_as_dicom(case: Case, run: Run) -> bool:
    """Whether the CT was imported from a DICOM series, as its inspection says."""
    imported = run.inspections.get(case.patient, {}).get("imported", [])
    return any("series" in record for record in imported)


def emptiness(scores: Record) -> str:
    """Why some of a region's scores are undefined; empty where both masks hold something."""
    volumes = number(scores, "predicted_ml"), number(scores, "reference_ml")
    if not all(map(math.isfinite, volumes)):
        return ""
    return EMPTY.get((volumes[0] > 0, volumes[1] > 0), "")


def measurements(regions: Mapping[str, Record]) -> list[tuple[str, list[str]]]:
    """Rows of a table of what was measured of each region's surface and voxels."""
    rows: list[tuple[str, list[str]]] = []
    for name, pick in _MEASURED.items():
        values = ["mask is empty" if r.get("absent") else pick(r) for r in regions.values()]
        if any(value not in ("–", "mask is empty") for value in values):
            rows.append((name, values))
    return rows


def hu_chart(name: str, record: Record) -> charts.Markup:
    """How many ml of a region have which HU."""
    found = _histogram(record)
    total = sum(found["counts"]) or 1
    volume = number(record, "mask_volume_ml")
    hu, ml = [], []
    for index, count in enumerate(found["counts"]):
        middle = found["first_hu"] + (index + 0.5) * found["bin_hu"]
        if HISTOGRAM_HU[0] <= middle <= HISTOGRAM_HU[1]:
            hu.append(middle)
            ml.append(volume * count / total)
    line = charts.Series(name, hu, ml)
    return charts.line_chart(
        [line], x_label="HU", y_label=f"ml in {found['bin_hu']:g} HU", title=f"HU of {name}"
    )


def _histogram(record: Record) -> Any:
    return _features(record, "intensity_hu").get("histogram")


def _features(record: Record, group: str) -> Record:
    return record.get("features", {}).get(group) or {}


def _extents(record: Record) -> str:
    found = _features(record, "shape").get("extents_mm")
    return " × ".join(f"{value:.0f}" for value in found) + " mm" if found else "–"


def _percentiles(record: Record) -> str:
    found = _features(record, "intensity_hu")
    low, high = number(found, "percentile_10"), number(found, "percentile_90")
    return "–" if math.isnan(low) else f"{show(low, 0)} to {show(high, 0)} HU"


def _pieces(record: Record) -> str:
    found = _features(record, "pieces")
    volumes = found.get("volumes_ml") or []
    listed = ", ".join(f"{volume:.1f}" for volume in volumes[:4])
    more = " …" if len(volumes) > 4 else ""
    return f"{found.get('number')} ({listed}{more} ml)" if volumes else "–"


def _scaled(group: str, key: str, decimals: int, unit: str = "") -> Any:
    return lambda record: show(number(_features(record, group), key), decimals, unit)


_MEASURED: Mapping[str, Any] = {
    "Volume of the surface": lambda record: show(number(record, "volume_ml"), 1, "ml"),
    "Area": lambda record: show(number(record, "area_cm2"), 1, "cm²"),
    "Sphericity": _scaled("shape", "sphericity", 3),
    "Largest diameter": _scaled("shape", "maximum_diameter_mm", 0, "mm"),
    "Extent, left–right × front–back × height": _extents,
    "Pieces": _pieces,
    "Mean": _scaled("intensity_hu", "mean", 1, "HU"),
    "Standard deviation": _scaled("intensity_hu", "standard_deviation", 1, "HU"),
    "10th to 90th percentile": _percentiles,
    "Surface from mask, 95 % within": lambda record: show(
        number(record.get("deviation_from_mask") or {}, "p95_mm"), 2, "mm"
    ),
}


def _cell(value: float, decimals: int, scores: Record | None = None) -> dict[str, str]:
    """A figure and what to sort it by; what `scores` leave open is undefined, and why is told."""
    order = f"{value:.6g}" if math.isfinite(value) else ""
    absent = "undefined" if scores else "–"
    why = emptiness(scores) if scores else ""
    return {"text": show(value, decimals, absent=absent), "order": order, "why": why}


def _scores(metric: Metric, scored: Mapping[str, Record]) -> dict[str, Any]:
    found: Sequence[float] = [number(record, metric.key) for record in scored.values()]
    return {
        "metric": metric,
        "values": [show(value, metric.decimals, metric.unit, "undefined") for value in found],
    }
