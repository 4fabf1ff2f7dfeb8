"""Summaries of small cohorts whose figures are known."""

import numpy as np
import pytest

from workflow.liverseg.comparisons import compare_models, spread_of_repeats
from workflow.liverseg.scores import METRICS
from workflow.liverseg.summaries import (
    bland_altman,
    bootstrap_mean,
    left_out,
    score_table,
    summarise,
)


def scored(patient: str, dice: float, *, predicted_ml: float = 100.0, model: str = "m") -> dict:
    values = dict.fromkeys(METRICS, 0.5) | {
        "dice": dice,
        "predicted_ml": predicted_ml,
        "reference_ml": 100.0,
        "overlap_ml": dice * (predicted_ml + 100.0) / 2,
    }
    return {"patient": patient, "model": model, "regions": {"liver": values}}


def summary(scores: list[dict]) -> dict:
    table = score_table(scores)
    return summarise(table, samples=500, confidence=0.95, seed=0)["regions"]["liver"]


def test_a_table_has_one_row_a_patient_in_their_order():
    table = score_table([scored("b", 0.8), scored("a", 0.9)])
    assert table["patient"].tolist() == ["a", "b"]
    assert table["dice"].tolist() == [0.9, 0.8]


def test_the_mean_counts_each_patient_once_and_the_median_is_the_middle():
    dice = summary([scored("a", 0.9), scored("b", 0.8), scored("c", 0.4)])["metrics"]["dice"]
    assert dice["mean"] == pytest.approx(0.7)
    assert dice["median"] == pytest.approx(0.8)
    assert dice["low"] < 0.7 < dice["high"]


def test_the_worst_patient_is_the_one_of_least_dice():
    assert summary([scored("a", 0.9), scored("b", 0.3)])["worst"]["patient"] == "b"


def test_pooled_figures_weigh_millilitres_not_patients():
    small, large = scored("a", 0.0, predicted_ml=0.0), scored("b", 1.0)
    small["regions"]["liver"]["reference_ml"] = 10.0
    figures = summary([small, large])
    assert figures["metrics"]["dice"]["mean"] == pytest.approx(0.5)
    assert figures["pooled"]["dice"] == pytest.approx(200 / 210)


def test_what_is_undefined_is_counted_and_left_out():
    missing, infinite = scored("a", 0.0, predicted_ml=0.0), scored("c", 0.1)
    missing["regions"]["liver"]["hd95_mm"] = None
    infinite["regions"]["liver"]["hd95_mm"] = np.inf
    distance = summary([missing, scored("b", 0.9), infinite])["metrics"]["hd95_mm"]
    assert (distance["n"], distance["undefined"], distance["mean"]) == (1, 2, 0.5)


def test_who_is_left_out_of_a_mean_is_said_with_the_reason():
    missing = scored("a", 0.0, predicted_ml=0.0)
    missing["regions"]["liver"]["hd95_mm"] = None
    table = score_table([missing, scored("b", 0.9)])
    figures = summarise(table, samples=500, confidence=0.95, seed=0)
    assert left_out(figures) == ["liver hd95_mm: mean of 1, 1 left out (nothing predicted: a)"]


def test_one_patient_has_no_interval():
    assert summary([scored("a", 0.9)])["metrics"]["dice"]["low"] is None


def test_a_bootstrap_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(size=400)
    interval = bootstrap_mean(values, samples=4000, confidence=0.95, seed=0)
    half = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(9.0)
    assert bootstrap_mean(values, samples=200, confidence=0.9, seed=3) == bootstrap_mean(
        values, samples=200, confidence=0.9, seed=3
    )


def test_bland_altman_of_known_differences():
    # Differences 1, 2, 3: bias 2, standard deviation 1.
    figures = bland_altman(np.array([11.0, 22.0, 33.0]), np.array([10.0, 20.0, 30.0]))
    assert figures["bias"] == pytest.approx(2.0)
    assert figures["sd"] == pytest.approx(1.0)
    assert figures["lower_limit"] == pytest.approx(0.04)
    assert figures["upper_limit"] == pytest.approx(3.96)
    # t of 2 degrees of freedom is 4.303.
    assert figures["bias_high"] == pytest.approx(2 + 4.303 / np.sqrt(3), abs=1e-3)
    assert figures["limit_half_interval"] == pytest.approx(4.303, abs=1e-3)


def test_bland_altman_of_one_patient_has_a_bias_only():
    figures = bland_altman(np.array([12.0]), np.array([10.0]))
    assert figures["bias"] == 2.0
    assert figures["upper_limit"] is None


def compared(better: list[float], worse: list[float]) -> dict:
    rows = [scored(f"p{n}", dice, model="b") for n, dice in enumerate(better)]
    rows += [scored(f"p{n}", dice, model="a") for n, dice in enumerate(worse)]
    return compare_models(score_table(rows), samples=500, confidence=0.95, seed=0)


def test_models_are_compared_by_the_differences_of_their_common_patients():
    pairs = compared([0.9, 0.8, 0.7], [0.8, 0.7])
    (pair,) = pairs["pairs"]
    assert (pair["first"], pair["second"], pair["region"]) == ("a", "b", "liver")
    assert pair["metrics"]["dice"]["n"] == 2
    assert pair["metrics"]["dice"]["mean_difference"] == pytest.approx(-0.1)


def test_a_steady_difference_is_found_and_none_is_not():
    steady = compared([0.9 + 0.001 * n for n in range(10)], [0.8 + 0.002 * n for n in range(10)])
    assert steady["pairs"][0]["metrics"]["dice"]["p_value"] < 0.01
    same = compared([0.9] * 10, [0.9] * 10)
    assert same["pairs"][0]["metrics"]["dice"]["p_value"] == 1.0


def test_p_values_are_corrected_for_how_many_there_are():
    pair = compared([0.9 + 0.001 * n for n in range(10)], [0.8 + 0.002 * n for n in range(10)])
    dice = pair["pairs"][0]["metrics"]["dice"]
    assert dice["p_value_corrected"] >= dice["p_value"]


def test_the_spread_of_repeats_is_that_of_their_means_over_patients():
    dice = {"u-seed1": (0.8, 0.9), "u-seed2": (0.9, 1.0), "other": (0.1, 0.1)}
    rows = [scored(f"p{n}", d, model=m) for m, both in dice.items() for n, d in enumerate(both)]
    spread = spread_of_repeats(score_table(rows), {"u": ["u-seed1", "u-seed2"]})
    (row,) = [one for one in spread if one["metric"] == "dice"]
    assert row["mean_by_seed"] == pytest.approx({"u-seed1": 0.85, "u-seed2": 0.95})
    assert (row["mean"], row["sd"]) == pytest.approx((0.9, 0.1 / np.sqrt(2)))
