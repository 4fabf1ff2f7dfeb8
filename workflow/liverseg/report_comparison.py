"""What the page says of several models: differences within patients, and the spread of seeds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workflow.liverseg import report_charts as charts
from workflow.liverseg.report_cards import METRICS, Metric, show
from workflow.liverseg.report_inputs import Record, number

COMPARED = {metric.key: metric for metric in METRICS} | {
    "absolute_volume_error_percent": Metric(
        "absolute_volume_error_percent", "Volume error, absolute", "%", 1
    )
}
LARGER_IS_BETTER = ("dice", "nsd")
SIGNIFICANT = 0.05  # ASSUME the usual level, of the p value that is corrected for all tests


def comparison_rows(comparison: Record) -> list[dict[str, Any]]:
    """One row a pair of models, region and metric of `comparison.json`, in words and numbers."""
    rows = []
    for pair in comparison.get("pairs", []):
        for key, found in pair["metrics"].items():
            metric = COMPARED[key]
            rows.append(
                {
                    "pair": f"{pair['first']} − {pair['second']}",
                    "region": pair["region"],
                    "metric": f"{metric.name}, {metric.unit}" if metric.unit else metric.name,
                    "n": found["n"],
                    "difference": difference(found, metric),
                    "p": _p_value(found, "p_value"),
                    "corrected": _p_value(found, "p_value_corrected"),
                    "outcome": outcome(pair, key),
                }
            )
    return rows


def difference(found: Record, metric: Metric) -> str:
    """Mean difference with its interval; in words where no patient has both scores."""
    mean, low, high = (number(found, name) for name in ("mean_difference", "low", "high"))
    if not math.isfinite(mean):
        return "undefined"
    text = show(mean, metric.decimals)
    if math.isfinite(low) and math.isfinite(high):
        text += f" [{show(low, metric.decimals)}, {show(high, metric.decimals)}]"
    return text


def outcome(pair: Mapping[str, Any], key: str) -> str:
    """Which of two models is better by a metric, as far as the test can tell."""
    found = pair["metrics"][key]
    if not found["n"]:
        return "no patient has this score under both"
    if found["p_value_corrected"] is None:
        return "too few patients for a test"
    if found["p_value_corrected"] >= SIGNIFICANT:
        return "no difference shown"
    low, high = (number(found, name) for name in ("low", "high"))
    # The test weighs ranks, the mean amounts: one bad failure outweighs many small gains in it.
    by_test = _favoured(pair, key, found["rank_balance"])
    by_mean = _favoured(pair, key, low if low > 0 else min(high, 0.0))
    if by_test == by_mean:
        return f"{by_test} is better"
    return (
        f"contradictory: the test favours {by_test}, the mean difference {by_mean}; "
        "look at the single patients"
    )


def _favoured(pair: Mapping[str, Any], key: str, difference: float) -> str:
    """The model that a difference, first minus second, speaks for; neither where it is 0."""
    if difference == 0:
        return "neither"
    return str(pair["first" if (difference > 0) == (key in LARGER_IS_BETTER) else "second"])


def comparison_charts(comparison: Record) -> list[charts.Markup]:
    """The differences with their intervals, a chart for each region and metric."""
    pairs: Sequence[Mapping[str, Any]] = comparison.get("pairs", [])
    regions = dict.fromkeys(pair["region"] for pair in pairs)
    drawn = []
    for region in regions:
        chosen = [pair for pair in pairs if pair["region"] == region]
        for key in chosen[0]["metrics"]:
            metric = COMPARED[key]
            unit = f", {metric.unit}" if metric.unit else ""
            title = f"{metric.name}, {region}"
            lines = [_interval(pair, key, metric) for pair in chosen]
            label = f"difference of {title}{unit}"
            drawn.append(charts.interval_chart(lines, x_label=label, title=title))
    return drawn


def repeat_rows(comparison: Record) -> list[dict[str, Any]]:
    """One row a model, region and metric that several seeds were trained for."""
    rows = []
    for found in comparison.get("repeats", []):
        metric = COMPARED[found["metric"]]
        if found["sd"] is not None:
            rows.append(
                {
                    "model": found["model"],
                    "region": found["region"],
                    "metric": f"{metric.name}, {metric.unit}" if metric.unit else metric.name,
                    "seeds": len(found["mean_by_seed"]),
                    "mean": show(found["mean"], metric.decimals),
                    "sd": show(found["sd"], metric.decimals + 1),
                }
            )
    return rows


def _interval(pair: Mapping[str, Any], key: str, metric: Metric) -> charts.Interval:
    found = pair["metrics"][key]
    name = f"{pair['first']} − {pair['second']}"
    tip = f"{name}: {difference(found, metric)}, n = {found['n']}; {outcome(pair, key)}"
    middle, low, high = (number(found, part) for part in ("mean_difference", "low", "high"))
    return charts.Interval(name, middle, low, high, tip)


def _p_value(found: Record, name: str) -> str:
    value = number(found, name)
    if not math.isfinite(value):
        return "not tested"
    return "< 0.001" if value < 0.001 else show(value, 3)
