"""What the page calls better: by the score's direction, and only where the test tells."""

from typing import Any

import pytest

from workflow.liverseg.report_comparison import comparison_rows, repeat_rows


def row(key: str, mean: float | None, corrected: float | None, n: int = 9) -> dict[str, Any]:
    """The page's row of one score of models a and b."""
    found = {"n": n, "mean_difference": mean, "low": None, "high": None, "p_value": corrected}
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


def test_one_seed_has_no_spread() -> None:
    one = {"model": "a", "region": "liver", "metric": "dice", "mean": 0.9}
    rows = repeat_rows({"repeats": [
        one | {"mean_by_seed": {"a": 0.9}, "sd": None},
        one | {"mean_by_seed": {"a": 0.9, "a-2": 0.8}, "sd": 0.0707},
    ]})  # fmt: skip
    assert [(found["seeds"], found["sd"]) for found in rows] == [(2, "0.0707")]
