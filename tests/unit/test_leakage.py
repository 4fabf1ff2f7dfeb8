"""A share of the leakage benchmark: no person in two splits, under whatever name."""

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.leakage import leaks, scans


@given(st.lists(scans, min_size=3, max_size=12), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_planted_doubles_never_leak(rows, seed):
    assert leaks(rows, seed) == 0
