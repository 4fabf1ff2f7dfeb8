"""Percentiles of values that do not all count alike."""

import numpy as np


def weighted_percentile(values: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """Smallest value that at least `percent` of all weight does not exceed."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    # ASSUME sums of float areas that differ by less than one in 10⁹ are equal.
    place = np.searchsorted(reached, reached[-1] * (percent / 100.0) * (1.0 - 1e-9))
    return float(values[order][min(place, len(values) - 1)])
