"""A run that is killed again and again ends, resumed, in the same bytes."""

from benchmarks.kills import TARGETS, measure


def test_ten_kills_change_no_output() -> None:
    counts = measure(kills=10, each_run=10, seed=1)
    assert sum(counts[target] for target in TARGETS) == 10
    assert counts["outputs"] > 50
    assert counts["different"] == 0
