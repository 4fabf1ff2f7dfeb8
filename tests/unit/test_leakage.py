"""A share of the leakage benchmark: no person in two splits, under whatever name."""

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from benchmarks.leakage import at_random, by_the_workflow, cohorts, run_case

SHARE = settings(
    deadline=None, max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck)
)


@given(cohorts, st.integers(0, 9))
@SHARE
def test_planted_persons_are_never_torn_apart(rows, seed):
    case = run_case(rows, seed, by_the_workflow)
    assume(case is not None and case.exposed)
    assert case.leaks == 0


def test_the_count_finds_the_leaks_of_a_split_that_knows_no_persons():
    leaks = []

    @given(cohorts, st.integers(0, 9))
    @SHARE
    def run(rows, seed):
        case = run_case(rows, seed, at_random)
        assume(case is not None and case.exposed)
        leaks.append(case.leaks)

    run()
    assert len(leaks) >= 60
    assert sum(count > 0 for count in leaks) > 30
