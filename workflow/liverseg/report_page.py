"""Turns the records of a run into what the page's template shows."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow.liverseg import report_charts as charts
from workflow.liverseg.report_inputs import Case, Model, Record, Run, number
from workflow.liverseg.report_template import fill

SPLITS = ("train", "validation", "test", "predict")


@dataclass(frozen=True)
class Metric:
    """A score as the page shows it: its key in the records, name, unit and decimals."""

    key: str
    name: str
    unit: str = ""
    decimals: int = 3


@dataclass(frozen=True)
class Light:
    """A traffic light: shape and word say the same as the colour, for those who don't see it."""

    level: str
    word: str
    rank: int


METRICS = (
    Metric("dice", "Dice"),
    Metric("iou", "IoU"),
    Metric("precision", "Precision"),
    Metric("recall", "Recall"),
    Metric("specificity", "Specificity", decimals=4),
    Metric("nsd", "Surface Dice (NSD)"),
    Metric("hd95_mm", "HD95", "mm", 1),
    Metric("mean_surface_distance_mm", "Mean surface distance", "mm", 2),
    Metric("predicted_ml", "Volume, predicted", "ml", 0),
    Metric("reference_ml", "Volume, reference", "ml", 0),
    Metric("volume_error_ml", "Volume error", "ml", 1),
    Metric("volume_error_percent", "Volume error", "%", 1),
)
CHARTED = ("dice", "nsd", "hd95_mm", "volume_error_percent")
SUMMARISED = ("dice", "nsd", "hd95_mm", "absolute_volume_error_percent")
LIGHTS = {
    "green": Light("green", "plausible", 2),
    "yellow": Light("amber", "check", 1),
    "red": Light("red", "do not trust", 0),
}
NO_LIGHT = Light("none", "not rated", 3)


def render(run: Run, settings: Mapping[str, Any]) -> str:
    """Return the whole page as HTML; `settings` holds every section of the configuration."""
    regions = list(dict.fromkeys(region for case in run.cases for region in regions_of(case)))
    main_region = regions[0] if regions else ""
    return fill(
        "index.html.j2",
        {
            "title": settings["report"]["title"],
            "tiles": tiles(run, main_region),
            "regions": regions,
            "main_region": main_region,
            "rows": [table_row(case, main_region) for case in run.cases],
            "cards": [card(case, run) for case in run.cases],
            "models": [model.name for model in run.models] or sorted({c.model for c in run.cases}),
            "summary": [row for name in run.summaries for row in summary_rows(run, name)],
            "score_charts": score_charts(run, regions),
            "agreement_charts": agreement_charts(run, regions),
            "training": [training(model) for model in run.models],
            "split_chart": split_chart(run.split),
            "splits": split_lists(run.split),
            "cohort_charts": cohort_charts(run),
            "cohort": run.cohort,
            "rejected": run.rejected.to_dict("records"),
            "savings": run.savings,
            "steps": run.steps,
            "settings": {name: pretty(value) for name, value in settings.items()},
            "digests": digests(run),
        },
    )


def light_of(case: Case) -> Light:
    """The traffic light of a prediction; a step that gives none leaves the case unrated."""
    return LIGHTS.get(str(case.prediction.get("light", "")), NO_LIGHT)


def reasons_of(case: Case) -> list[str]:
    """Why the light is not green, in words."""
    return [str(reason) for reason in case.prediction.get("reasons", [])]


def regions_of(case: Case) -> list[str]:
    """Names of the regions that were predicted for a case."""
    return list(case.prediction.get("volume_ml", {}))


def volume_ml(case: Case, region: str) -> float:
    """Predicted volume of a region's mask (ml); NaN if no step measured it."""
    return number(case.prediction.get("volume_ml", {}), region)


def show(value: float, decimals: int, unit: str = "") -> str:
    """A number for readers; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}".replace("-", "−")
    return f"{text} {unit}" if unit else text


def table_row(case: Case, region: str) -> dict[str, Any]:
    """One row of the table of patients: text to read and a number to sort by, for each column."""
    scores = case.scores.get("regions", {}).get(region, {})
    light = light_of(case)
    cells = [
        _cell(volume_ml(case, region), 0),
        _cell(number(scores, "reference_ml"), 0),
        _cell(number(scores, "volume_error_percent"), 1),
        _cell(number(scores, "dice"), 3),
        _cell(number(scores, "nsd"), 3),
        _cell(number(scores, "hd95_mm"), 1),
    ]
    return {"case": case, "light": light, "cells": cells, "reasons": reasons_of(case)}


def card(case: Case, run: Run) -> dict[str, Any]:
    """What the page says of one patient under one model, beside the pictures."""
    scored = case.scores.get("regions", {})
    shown = [
        {
            "metric": metric,
            "values": [
                show(number(r, metric.key), metric.decimals, metric.unit) for r in scored.values()
            ],
        }
        for metric in METRICS
    ]
    return {
        "case": case,
        "light": light_of(case),
        "reasons": reasons_of(case),
        "regions": list(scored),
        "scores": shown if scored else [],
        "surfaces": [_surface(name, r) for name, r in case.mesh.get("regions", {}).items()],
        "findings": [
            finding
            for finding in run.inspections.get(case.patient, {}).get("findings", [])
            if isinstance(finding, Mapping)
        ],
        "cleaning": pretty(case.prediction.get("clean_up", {})),
    }


def tiles(run: Run, region: str) -> list[dict[str, str]]:
    """The figures at the top of the page."""
    lights = Counter(light_of(case).word for case in run.cases)
    found = [
        {"name": "patients admitted", "value": str(len(run.cohort)), "note": ""},
        {
            "name": "rejected",
            "value": str(run.rejected["patient"].nunique() if len(run.rejected) else 0),
            "note": "listed with reason and remedy",
        },
        {"name": "predictions", "value": str(len(run.cases)), "note": _counted(lights)},
    ]
    for name, summary in run.summaries.items():
        record = summary.get("regions", {}).get(region, {})
        dice = record.get("metrics", {}).get("dice", {})
        if math.isfinite(number(dice, "mean")):
            interval = _interval(dice, 3, summary.get("confidence", 0.95))
            note = f"n = {record['n']}" + (f", {interval}" if interval else "")
            title = f"mean Dice, {region}" + (f", {name}" if len(run.summaries) > 1 else "")
            found.append({"name": title, "value": show(dice["mean"], 3), "note": note})
    return found


def summary_rows(run: Run, model: str) -> list[dict[str, Any]]:
    """One row a region of a model's summary: means with intervals, worst patient, pooled Dice."""
    summary = run.summaries[model]
    rows = []
    for region, record in summary.get("regions", {}).items():
        metrics = record.get("metrics", {})
        rows.append(
            {
                "model": model,
                "region": region,
                "n": record.get("n", 0),
                "means": [_mean(metrics.get(key, {}), key, summary) for key in SUMMARISED],
                "median": show(number(metrics.get("dice", {}), "median"), 3),
                "worst": record.get("worst", {}).get("patient", "–"),
                "worst_dice": show(number(record.get("worst", {}), "dice"), 3),
                "pooled": show(number(record.get("pooled", {}), "dice"), 3),
            }
        )
    return rows


def score_charts(run: Run, regions: Sequence[str]) -> list[charts.Markup]:
    """Distributions of the main scores: a column of dots a model and region."""
    drawn = []
    for metric in (metric for metric in METRICS if metric.key in CHARTED):
        groups: dict[str, list[charts.Point]] = {}
        for case in run.cases:
            for region in regions:
                value = number(case.scores.get("regions", {}).get(region, {}), metric.key)
                if math.isfinite(value):
                    tip = f"{case.patient}, {region}: {show(value, metric.decimals, metric.unit)}"
                    point = charts.Point(0.0, value, tip, case.key)
                    groups.setdefault(_group(case, region, run, regions), []).append(point)
        label = f"{metric.name}, {metric.unit}" if metric.unit else metric.name
        drawn.append(charts.strip_chart(groups, y_label=label, title=metric.name))
    return drawn


def agreement_charts(run: Run, regions: Sequence[str]) -> list[tuple[str, charts.Markup]]:
    """Bland–Altman plots of volumes, one a model and region that has labelled patients."""
    points: dict[str, list[charts.Point]] = {}
    for case in run.cases:
        for region in regions:
            record = case.scores.get("regions", {}).get(region, {})
            predicted, reference = number(record, "predicted_ml"), number(record, "reference_ml")
            if math.isfinite(predicted) and math.isfinite(reference):
                difference = predicted - reference
                tip = f"{case.patient}: {predicted:.0f} ml, reference {reference:.0f} ml"
                mean = (predicted + reference) / 2
                point = charts.Point(mean, difference, tip, case.key)
                points.setdefault(f"{case.model}, {region}", []).append(point)
    return [
        (name, charts.bland_altman(found, unit="ml", title=f"Agreement of volumes, {name}"))
        for name, found in points.items()
    ]


def training(model: Model) -> dict[str, Any]:
    """Training curves and the figures of a model's card."""
    table = model.history
    epochs = table["epoch"].tolist() if "epoch" in table else list(range(1, len(table) + 1))
    drawn = []
    for word, label in (("loss", "loss"), ("dice", "Dice")):
        lines = [
            charts.Series(str(name).replace("_", " "), epochs, values, style)
            for style, (name, values) in enumerate(_columns(table, word))
        ]
        title = f"{label} of {model.name}"
        drawn.append({
            "chart": charts.line_chart(lines, x_label="epoch", y_label=label, title=title),
            "lines": lines,
        })  # fmt: skip
    facts = {
        key: pretty(model.card[key])
        for key in ("architecture", "metrics", "device", "threads", "training", "versions")
        if key in model.card
    }
    return {"name": model.name, "charts": drawn, "facts": facts}


def split_chart(split: pd.DataFrame) -> charts.Markup:
    """How many patients each split holds."""
    counts = Counter(split["split"])
    return charts.shares(
        [(name, counts[name]) for name in SPLITS if counts[name]], title="Patients by split"
    )


def split_lists(split: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Names of the patients of each split."""
    return [
        (name, sorted(split.loc[split["split"] == name, "patient"]))
        for name in SPLITS
        if (split["split"] == name).any()
    ]


def cohort_charts(run: Run) -> list[charts.Markup]:
    """Distributions of what inspection measured of the admitted patients."""
    wanted = {
        "Slices a scan": ("slices", "n_slices"),
        "Slice distance, mm": ("slice_spacing_mm", "spacing_z_mm"),
        "Volume of the label, ml": ("liver_ml", "label_ml", "foreground_ml"),
    }
    drawn = []
    for title, names in wanted.items():
        column = next((name for name in names if name in run.cohort), None)
        if column is not None:
            values = pd.to_numeric(run.cohort[column], errors="coerce").tolist()
            drawn.append(charts.histogram(values, x_label=title, title=title))
    return drawn


def digests(run: Run) -> list[tuple[str, str]]:
    """Patient and digest of its CT, as inspection found them."""
    return [
        (patient, str(record.get("sha256", {}).get("ct", "")))
        for patient, record in sorted(run.inspections.items())
    ]


def pretty(value: Any) -> str:
    """A setting or record as readable text; nothing for an empty one."""
    if isinstance(value, str):
        return value
    if value in ({}, [], None):
        return ""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _cell(value: float, decimals: int) -> dict[str, str]:
    order = f"{value:.6g}" if math.isfinite(value) else ""
    return {"text": show(value, decimals), "order": order}


def _surface(name: str, record: Record) -> dict[str, str | bool]:
    return {
        "name": name,
        "absent": bool(record.get("absent")),
        "volume": show(number(record, "volume_ml"), 1, "ml"),
        "area": show(number(record, "area_cm2"), 1, "cm²"),
        "triangles": show(number(record, "triangles"), 0),
    }


def _counted(lights: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in lights.items())


def _mean(record: Record, key: str, summary: Record) -> str:
    decimals = 3 if key in ("dice", "nsd") else 1
    mean = show(number(record, "mean"), decimals)
    low, high = number(record, "low"), number(record, "high")
    if math.isfinite(low) and math.isfinite(high):
        return f"{mean} [{show(low, decimals)}, {show(high, decimals)}]"
    return mean


def _interval(record: Record, decimals: int, confidence: float) -> str:
    low, high = number(record, "low"), number(record, "high")
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{confidence:.0%} CI {show(low, decimals)} to {show(high, decimals)}"


def _group(case: Case, region: str, run: Run, regions: Sequence[str]) -> str:
    parts = [case.model] if len(run.models) > 1 or len(regions) == 1 else []
    return ", ".join([*parts, *([region] if len(regions) > 1 else [])])


def _columns(table: pd.DataFrame, word: str) -> list[tuple[str, list[float]]]:
    return [
        (name, pd.to_numeric(table[name], errors="coerce").tolist())
        for name in table.columns
        if word in str(name).lower()
    ]
