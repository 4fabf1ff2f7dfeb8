"""What the page calls better: by the score's direction, and only where the test tells."""

from typing import Any

import pandas as pd
import pytest

from workflow.liverseg.comparisons import COMPARED, compare_models
from workflow.liverseg.report_comparison import comparison_rows, repeat_rows


def row(key: str, mean: float | None, corrected: float | None, n: int = 9) -> dict[str, Any]:
    """The page's row of one score of models a and b."""
    found = {"n": n, "mean_difference": mean, "p_value": corrected}
    found |= {"low": mean and mean - 0.05, "high": mean and mean + 0.05, "rank_balance": mean}
    pair = {"first": "a", "second": "b", "region": "liver"}
    metrics = {key: found | {"p_value_corrected": corrected}}
    (only,) = comparison_rows({"pairs": [pair | {"metrics": metrics}]})
    return only


@pytest.mark.parametrize(
    ("key", "mean", "better"),
    [
        ("dice", 0.1, "a"), ("dice", -0.1, "b"), ("nsd", 0.1, "a"), ("hd95_mm", 2.0, "b"),
        ("hd95_mm", -2.0, "a"), ("absolute_volume_error_percent", 3.0, "b"),
    ],
)  # fmt: skip
def test_the_better_model_is_named(key: str, mean: float, better: str) -> None:
    assert row(key, mean, 0.01)["outcome"] == f"{better} is better"


def test_what_the_test_does_not_tell_is_said() -> None:
    assert row("dice", 0.1, 0.05)["outcome"] == "no difference shown"
    lone = row("dice", 0.1, None, n=1)
    assert (lone["outcome"], lone["corrected"]) == ("too few patients for a test", "not tested")
    nobody = row("hd95_mm", None, None, n=0)
    assert nobody["outcome"] == "no patient has this score under both"
    assert nobody["difference"] == "undefined"


def outcome_of(first: list[float], second: list[float]) -> str:
    """What the page says of the Dice of models a and b, patient by patient."""
    table = pd.DataFrame(
        [
            {"patient": f"p{number:02d}", "model": model, "region": "liver", "dice": dice}
            for model, scores in (("a", first), ("b", second))
            for number, dice in enumerate(scores)
        ]
    ).assign(nsd=None, hd95_mm=None, absolute_volume_error_percent=None)
    table = table.astype(dict.fromkeys(COMPARED, float))
    found = compare_models(table, samples=500, confidence=0.95, seed=0)
    return str(comparison_rows(found)[0]["outcome"])


def test_no_model_is_better_where_one_failure_turns_the_mean() -> None:
    scores = [0.9 + 0.001 * number for number in range(20)]
    gains = [score + 0.01 + 0.0001 * number for number, score in enumerate(scores)]
    assert outcome_of(scores, gains) == "b is better"
    failed = [*gains[:-1], 0.1]
    said = "contradictory: the test favours b, the mean difference neither; "
    assert outcome_of(scores, failed).startswith(said)


def test_one_seed_has_no_spread() -> None:
    one = {"model": "a", "region": "liver", "metric": "dice", "mean": 0.9}
    rows = repeat_rows({"repeats": [
        one | {"mean_by_seed": {"a": 0.9}, "sd": None},
        one | {"mean_by_seed": {"a": 0.9, "a-2": 0.8}, "sd": 0.0707},
    ]})  # fmt: skip
    assert [(found["seeds"], found["sd"]) for found in rows] == [(2, "0.0707")]
