"""A share of the corruption benchmark: nothing is missed, nothing alarms for nothing."""

import numpy as np

from benchmarks.corruption import alarms, mutate


def test_random_damage_is_found_and_valid_variants_are_not_alarmed(tmp_path):
    random = np.random.default_rng(7)
    found = mutate(60, random, tmp_path)
    assert (found["made"], found["missed"]) == (60, 0)
    assert found["found without help"] > 30
    assert alarms(40, random, tmp_path)["false alarms"] == 0
