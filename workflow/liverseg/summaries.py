"""Scores of a cohort: per-patient means with their uncertainty, beside figures of all pooled."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from workflow.liverseg.scores import METRICS


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends None where there are too few values for one."""

    low: float | None
    high: float | None


def score_table(
    scores: Sequence[Mapping[str, Any]], doubts: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """One row a patient and region, ordered by both; what could not be measured is empty.

    `scores` are score files' contents: `{patient, model, regions: {region: {metric: value}}}`.
    `doubts` names, by patient, what makes mm and ml doubtful; it stands in `grid_doubts`.
    """
    doubts = doubts or {}
    rows = [
        {
            "patient": score["patient"],
            "model": score["model"],
            "region": region,
            **values,
            "grid_doubts": " ".join(doubts.get(score["patient"], ())),
        }
        for score in sorted(scores, key=lambda score: score["patient"])
        for region, values in score["regions"].items()
    ]
    figures = [*METRICS, "predicted_ml", "reference_ml", "overlap_ml"]
    columns = ["patient", "model", "region", *figures, "grid_doubts"]
    table = pd.DataFrame(rows, columns=columns)
    table[figures] = table[figures].astype(np.float64)
    return table


def summarise(table: pd.DataFrame, *, samples: int, confidence: float, seed: int) -> dict[str, Any]:
    """Summary of each region of a `score_table`, ready for JSON.

    Per region: `n` patients; `metrics` (each patient counts once; `undefined` of them are left out
    of the mean, as nothing can be measured there); `empty`, the patients with an empty mask, who
    are those left out; `worst` patient by Dice;
    `pooled` (each millilitre counts once: large livers weigh more, and no patient stands out);
    `volumes`, the Bland-Altman figures. Beside them `grid_doubts`: the patients, counted like the
    others, whose mm and ml are doubtful.
    """
    regions = {}
    for region, rows in table.groupby("region", sort=False):
        regions[str(region)] = {
            "n": len(rows),
            "metrics": {
                name: _metric_summary(rows[name], samples=samples, confidence=confidence, seed=seed)
                for name in METRICS
            },
            "empty": _empty(rows),
            "worst": _worst(rows),
            "pooled": _pooled(rows),
            "volumes": bland_altman(
                rows["predicted_ml"].to_numpy(), rows["reference_ml"].to_numpy()
            ),
        }
    return {
        "patients": int(table["patient"].nunique()),
        "grid_doubts": sorted(set(table["patient"][table["grid_doubts"] != ""])),
        "confidence": confidence,
        "bootstrap_samples": samples,
        "regions": regions,
    }


def bootstrap_mean(values: np.ndarray, *, samples: int, confidence: float, seed: int) -> Interval:
    """Percentile bootstrap interval of a mean: patients are drawn again with replacement.

    Efron & Tibshirani 1993, chapter 13. Fewer than two values have no interval.
    """
    if len(values) < 2:
        return Interval(None, None)
    drawn = np.random.default_rng(seed).integers(len(values), size=(samples, len(values)))
    means = values[drawn].mean(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def bland_altman(measured: np.ndarray, reference: np.ndarray) -> dict[str, float | int | None]:
    """Agreement of two measurements of the same patients, in their unit (ml).

    Bias is the mean difference (measured minus reference), the limits of agreement are
    bias ± 1.96 standard deviations of the differences, each with its 95 % interval by Student's t
    (Bland & Altman 1986, doi:10.1016/S0140-6736(86)90837-8). Fewer than two pairs have a bias only.
    """
    difference = measured - reference
    n = len(difference)
    figures: dict[str, float | int | None] = dict.fromkeys(
        ("bias", "bias_low", "bias_high", "sd", "lower_limit", "upper_limit")
    )
    figures |= {"limit_half_interval": None, "n": n}
    if n:
        figures["bias"] = float(difference.mean())
    if n > 1:
        bias, sd = float(difference.mean()), float(difference.std(ddof=1))
        t = float(stats.t.ppf(0.975, n - 1))
        half = t * sd / np.sqrt(n)
        figures |= {
            "bias_low": bias - half,
            "bias_high": bias + half,
            "sd": sd,
            "lower_limit": bias - 1.96 * sd,
            "upper_limit": bias + 1.96 * sd,
            # Standard error of a limit, as given there: sd · √(3 / n).
            "limit_half_interval": t * sd * float(np.sqrt(3.0 / n)),
        }
    return figures


def _metric_summary(
    column: pd.Series, *, samples: int, confidence: float, seed: int
) -> dict[str, float | int | None]:
    values = column[np.isfinite(column)].to_numpy(dtype=np.float64)
    interval = bootstrap_mean(values, samples=samples, confidence=confidence, seed=seed)
    some = len(values) > 0
    return {
        "n": len(values),
        "undefined": len(column) - len(values),
        "mean": float(values.mean()) if some else None,
        **asdict(interval),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "median": float(np.median(values)) if some else None,
        "minimum": float(values.min()) if some else None,
        "maximum": float(values.max()) if some else None,
    }


def left_out(summary: Mapping[str, Any]) -> list[str]:
    """A line for each region and metric whose mean leaves patients out: how many, and why."""
    lines = []
    for region, figures in summary["regions"].items():
        why = "; ".join(
            f"{case.replace('_', ' ')}: {', '.join(patients)}"
            for case, patients in figures["empty"].items()
            if patients
        )
        lines += [
            f"{region} {name}: mean of {metric['n']}, {metric['undefined']} left out"
            + (f" ({why})" if why else "")
            for name, metric in figures["metrics"].items()
            if metric["undefined"]
        ]
    return lines


def _empty(rows: pd.DataFrame) -> dict[str, list[str]]:
    """The patients of whom a mask is empty, so that distances or shares have no value."""
    predicted, reference = rows["predicted_ml"] > 0, rows["reference_ml"] > 0
    cases = {
        "nothing_predicted": ~predicted & reference,
        "nothing_in_the_reference": predicted & ~reference,
        "both_empty": ~predicted & ~reference,
    }
    return {case: rows.loc[where, "patient"].tolist() for case, where in cases.items()}


def _worst(rows: pd.DataFrame) -> dict[str, Any]:
    # Of equal Dice the first by name, so that the order of the files decides nothing.
    worst = rows.sort_values(["dice", "patient"], kind="stable").iloc[0]
    distance = worst["hd95_mm"]
    return {
        "patient": worst["patient"],
        "dice": float(worst["dice"]),
        "hd95_mm": None if np.isnan(distance) else float(distance),
    }


def _pooled(rows: pd.DataFrame) -> dict[str, float | None]:
    overlap, predicted, reference = (
        float(rows[name].sum()) for name in ("overlap_ml", "predicted_ml", "reference_ml")
    )
    union = predicted + reference - overlap

    def ratio(part: float, total: float) -> float | None:
        return part / total if total > 0 else None

    return {
        "dice": ratio(2 * overlap, predicted + reference),
        "iou": ratio(overlap, union),
        "precision": ratio(overlap, predicted),
        "recall": ratio(overlap, reference),
        "predicted_ml": predicted,
        "reference_ml": reference,
    }
