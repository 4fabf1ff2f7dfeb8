"""Turns the records of a run into what the page's template shows."""

import importlib.metadata
import math
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workflow.liverseg import report_charts as charts
from workflow.liverseg.leakage import check_leakage
from workflow.liverseg.report_cards import (
    METRICS,
    card,
    confidence_of,
    doubts_of,
    light_of,
    pretty,
    regions_of,
    show,
    table_row,
)
from workflow.liverseg.report_comparison import comparison_charts, comparison_rows, repeat_rows
from workflow.liverseg.report_inputs import Case, Model, Record, Run, number
from workflow.liverseg.report_template import fill

CHARTED = ("dice", "nsd", "hd95_mm", "volume_error_percent")
SUMMARISED = ("dice", "nsd", "hd95_mm", "absolute_volume_error_percent")
PACKAGES = ("snakemake", "torch", "monai", "nibabel", "numpy", "scipy", "pandas", "vedo", "vtk")
SPLITS = ("train", "validation", "test", "predict")


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
            "rows": [table_row(case, main_region, doubts_of(case, run)) for case in run.cases],
            "cards": [card(case, run, seg=settings["dicom"]["seg"]) for case in run.cases],
            "models": [model.name for model in run.models] or sorted({c.model for c in run.cases}),
            "summary": [row for name in run.summaries for row in summary_rows(run, name)],
            "score_charts": score_charts(run, regions),
            "agreement_charts": agreement_charts(run, regions),
            "comparison": comparison_rows(run.comparison),
            "comparison_test": run.comparison.get("test", ""),
            "comparison_charts": comparison_charts(run.comparison),
            "repeats": repeat_rows(run.comparison),
            "training": trainings(run.models),
            "split_chart": split_chart(run.split),
            "splits": split_lists(run.split),
            "leakage": check_leakage(run.cohort, run.rejected, run.split),
            "inspection_page": run.inspection_page,
            "cohort_charts": cohort_charts(run),
            "cohort": run.cohort,
            "rejected": run.rejected.to_dict("records"),
            "savings": run.savings,
            "steps": run.steps,
            "settings": {name: pretty(value) for name, value in settings.items()},
            "digests": digests(run),
            "metrics": [metric for metric in METRICS if metric.meaning],
            "findings": findings(run),
            "versions": versions(),
        },
    )


def tiles(run: Run, region: str) -> list[dict[str, str]]:
    """The figures at the top of the page."""
    lights = Counter(light_of(confidence_of(case)).word for case in run.cases)
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
    """Bland–Altman plots of volumes and their captions, one a model and region with labels."""
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
        (
            f"{name}: {agreement_words(found)}",
            charts.bland_altman(found, unit="ml", title=f"Agreement of volumes, {name}"),
        )
        for name, found in points.items()
    ]


def agreement_words(points: Sequence[charts.Point]) -> str:
    """Number of patients, bias and limits of agreement, or why there are no limits."""
    lines = charts.agreement(points)
    names = ("bias", "upper limit", "lower limit")
    parts = [f"n = {len(points)}"]
    for name, line in zip(names, lines, strict=False):
        interval = ""
        if math.isfinite(line.low):
            interval = f" [{show(line.low, 1)}, {show(line.high, 1)}]"
        parts.append(f"{name} {show(line.middle, 1, 'ml')}{interval}")
    words = "; ".join(parts)
    if len(lines) == 1:
        words += (
            f". No limits of agreement below {charts.PATIENTS_FOR_LIMITS} patients: each would be "
            "uncertain by more than 1.3 standard deviations to either side"
        )
    return words


def training(name: str, parts: Sequence[Model]) -> dict[str, Any]:
    """Training curves and the figures of a model's cards; `parts` are its folds, or it alone.

    Alone, its losses share a chart, and its Dice scores; of folds each curve has a chart of its
    own, in which a line is a fold.
    """
    drawn = []
    for word, label in (("loss", "loss"), ("dice", "Dice")):
        for title, lines in _curves(parts, word).items():
            chart = charts.line_chart(
                lines, x_label="epoch", y_label=label, title=f"{title or label} of {name}"
            )
            drawn.append({"title": title, "chart": chart, "lines": lines})
    return {"name": name, "charts": drawn, "facts": _facts(parts)}


def trainings(models: Sequence[Model]) -> list[dict[str, Any]]:
    """`training` of each model, its folds taken together."""
    parts: dict[str, list[Model]] = {}
    for model in models:
        parts.setdefault(model.name.partition("/")[0], []).append(model)
    return [training(name, found) for name, found in parts.items()]


def _curves(parts: Sequence[Model], word: str) -> dict[str, list[charts.Series]]:
    """The lines of each chart of `training` by its title; one alone needs none."""
    found: dict[str, list[charts.Series]] = {}
    for place, part in enumerate(parts):
        table = part.history
        epochs = table["epoch"].tolist() if "epoch" in table else list(range(1, len(table) + 1))
        for column, (key, values) in enumerate(_columns(table, word)):
            curve = key.replace("_", " ")
            if len(parts) == 1:
                line = charts.Series(curve, epochs, values, column)
                found.setdefault("", []).append(line)
            else:
                line = charts.Series(part.name.rpartition("/")[2], epochs, values, place)
                found.setdefault(curve, []).append(line)
    return found


def _facts(parts: Sequence[Model]) -> dict[str, str]:
    """What the cards say, once where all parts say the same."""
    facts = {}
    for key in ("architecture", "metrics", "device", "threads", "training", "versions", "notes"):
        title = "versions it was trained with" if key == "versions" else key
        texts = {part.name: pretty(part.card[key]) for part in parts if part.card.get(key)}
        if len(set(texts.values())) == 1 and len(texts) == len(parts):
            facts[title] = next(iter(texts.values()))
        elif texts:
            each = (f"{name.rpartition('/')[2]}: {text}" for name, text in texts.items())
            facts[title] = "\n".join(each)
    return facts


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


def findings(run: Run) -> list[dict[str, Any]]:
    """What inspection warned of or repaired, with the admitted patients that have it."""
    admitted = set(run.cohort["patient"])
    found: dict[tuple[str, str], list[str]] = {}
    for patient, record in run.inspections.items():
        for finding in record.get("findings", []) if patient in admitted else []:
            found.setdefault((finding["code"], finding["verdict"]), []).append(patient)
    return [
        {"code": code, "verdict": verdict, "patients": sorted(set(patients))}
        for (code, verdict), patients in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def versions() -> list[tuple[str, str]]:
    """Versions of the software that builds this page; its inputs may be older."""
    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue  # a conda environment of one rule holds only what that rule needs
    return found


def digests(run: Run) -> list[tuple[str, str]]:
    """Patient and digest of its CT, as inspection found them."""
    return [
        (patient, str(record.get("sha256", {}).get("ct", "")))
        for patient, record in sorted(run.inspections.items())
    ]


def _counted(lights: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in lights.items())


def _mean(record: Record, key: str, summary: Record) -> str:
    decimals = 3 if key in ("dice", "nsd") else 1
    text = show(number(record, "mean"), decimals, absent="undefined")
    low, high = number(record, "low"), number(record, "high")
    if math.isfinite(low) and math.isfinite(high):
        text += f" [{show(low, decimals)}, {show(high, decimals)}]"
    left_out = record.get("undefined", 0)
    return f"{text}, {left_out} left out" if left_out else text


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
        (str(name), pd.to_numeric(table[name], errors="coerce").tolist())
        for name in table.columns
        if word in str(name).lower()
    ]
