"""Charts of the report: round ticks, escaped words, figures that can be checked by hand."""

import itertools
import math
import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from workflow.liverseg.report_charts import (
    Interval,
    Point,
    Series,
    bland_altman,
    histogram,
    interval_chart,
    line_chart,
    shares,
    strip_chart,
    ticks,
)
from workflow.liverseg.report_inputs import Model
from workflow.liverseg.report_page import agreement_words, trainings

HOSTILE = "<script>&\"'"


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0.93, 0.97), (-57, 73), (1400, 1400), (0, 0), (1e-9, 3e-9)]
)
def test_ticks_cover_the_range_in_equal_steps(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert steps == pytest.approx([steps[0]] * len(steps))


def test_bland_altman_marks_bias_and_limits_with_their_intervals() -> None:
    points = [Point(10 + n, -2 if n % 2 else 4, str(n)) for n in range(12)]
    drawn = bland_altman(points, unit="ml", title="t")
    # Mean 1, standard deviation 3 √(12 / 11) = 3.13: limits 1 ± 6.1.
    texts = set(re.findall(">([^<]+)</text>", drawn))
    assert {"mean +1.0", "+1.96 SD +7.1", "−1.96 SD −5.1"} <= texts
    # t of 11 degrees of freedom is 2.201: bias ± 2.201 · 3.13 / √12, limits √3 times that.
    tips = re.findall(r"interval: ([^ ]+) to ([^\"]+)\"", drawn)
    assert tips == [("−1.0", "+3.0"), ("+3.7", "+10.6"), ("−8.6", "−1.7")]


@pytest.mark.parametrize(("patients", "bands"), [(1, 0), (2, 1), (9, 1), (10, 3)])
def test_limits_of_agreement_need_patients(patients: int, bands: int) -> None:
    points = [Point(10 + n, n, str(n)) for n in range(patients)]
    drawn = bland_altman(points, unit="ml", title="t")
    assert drawn.count('class="band"') == bands
    assert ("1.96" in drawn) is (bands == 3)
    words = agreement_words(points)
    assert words.startswith(f"n = {patients}; bias")
    assert ("upper limit" in words) is (bands == 3)
    assert ("No limits of agreement below 10 patients" in words) is (bands < 3)


def test_words_are_escaped_and_charts_are_well_formed() -> None:
    charts = [
        line_chart(
            [Series(HOSTILE, [1, 2], [3, math.nan])], x_label=HOSTILE, y_label="y", title=HOSTILE
        ),
        strip_chart({HOSTILE: [Point(0, 1, HOSTILE, HOSTILE)]}, y_label="y", title="t"),
        bland_altman([Point(1, 2, HOSTILE, HOSTILE)], unit=HOSTILE, title="t"),
        shares([(HOSTILE, 3)], title="t"),
        histogram([1, 2, 3], x_label=HOSTILE, title="t"),
    ]
    for chart in charts:
        assert "<script" not in chart
        ElementTree.fromstring(str(chart))


def test_a_chart_without_values_says_so() -> None:
    assert "nothing to show" in strip_chart(
        {"a": [Point(0, math.nan, "x")]}, y_label="y", title="t"
    )


def model(name: str, *, best: int = 3) -> Model:
    """A trained model of two regions, or a fold of one."""
    scores = {key: [0.1, math.nan, 0.3] for key in ("validation_dice", "validation_dice_tumour")}
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], **scores})
    return Model(name, {"device": "cpu", "metrics": {"best_epoch": best}}, history)


def test_folds_of_a_model_are_lines_of_one_chart_a_curve() -> None:
    whole, folded = trainings([model("a"), *(model(f"b/fold-{k}", best=k) for k in range(7))])
    assert [len(drawn["lines"]) for drawn in whole["charts"]] == [1, 2]
    assert [drawn["title"] for drawn in folded["charts"]] == [
        "train loss", "validation dice", "validation dice tumour"
    ]  # fmt: skip
    for drawn in folded["charts"]:
        assert [line.name for line in drawn["lines"]] == [f"fold-{k}" for k in range(7)]
        assert len({line.classes for line in drawn["lines"]}) == 7
        assert drawn["lines"][6].classes == "c0 again"
    assert folded["facts"]["device"] == "cpu"
    assert folded["facts"]["metrics"].count("fold-") == 7


def test_a_long_line_is_drawn_by_some_of_its_points_to_its_ends() -> None:
    series = Series("loss", list(range(2000)), [2000.0 - n for n in range(2000)])
    drawn = line_chart([series], x_label="epoch", y_label="loss", title="t")
    assert "loss: 2000 (epoch 0)" in drawn and "loss: 1 (epoch 1999)" in drawn
    assert len(drawn) < 20_000


def test_an_interval_of_one_patient_is_a_dot_and_of_none_is_left_out() -> None:
    lines = [
        Interval("one", 1.0, math.nan, math.nan, "lone"),
        Interval("none", math.nan, math.nan, math.nan, "nobody"),
    ]
    drawn = interval_chart(lines, x_label="mm", title="t")
    assert drawn.count("<circle") == 1 and "<polyline" not in drawn
    assert "nobody" not in drawn
    assert "nothing to show" in interval_chart(lines[1:], x_label="mm", title="t")
