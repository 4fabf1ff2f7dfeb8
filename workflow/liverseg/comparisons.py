"""Which of two models is better: differences within patients, not of means."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from workflow.liverseg.summaries import bootstrap_mean

COMPARED = ("dice", "nsd", "hd95_mm", "absolute_volume_error_percent")


def compare_models(
    table: pd.DataFrame, *, samples: int, confidence: float, seed: int
) -> dict[str, Any]:
    """Compare each two models of a `score_table`, region by region, on their common patients.

    Per metric of COMPARED: `n` patients in which both are defined, `mean_difference` (first
    minus second) with its bootstrap interval, `rank_balance` (ranks of the positive differences
    minus those of the negative, by all: the direction of the test, which a single patient's large
    difference hardly moves, as it does the mean), the `p_value` of Wilcoxon's signed-rank test (two
    sided; zeros dropped, exact where scipy can), and the same after Holm's correction for all
    tests in the table. No p value with fewer than two patients.
    """
    pairs = []
    for first, second in combinations(sorted(set(table["model"])), 2):
        for region in table["region"].unique():
            rows = table[table["region"] == region]
            one, other = (
                rows[rows["model"] == model].set_index("patient") for model in (first, second)
            )
            common = sorted(set(one.index) & set(other.index))
            metrics = {
                name: _paired(
                    (one.loc[common, name] - other.loc[common, name]).dropna().to_numpy(),
                    samples=samples, confidence=confidence, seed=seed,
                )
                for name in COMPARED
            }  # fmt: skip
            pairs.append({"first": first, "second": second, "region": region, "metrics": metrics})
    results = [result for pair in pairs for result in pair["metrics"].values()]
    tested = [result for result in results if result["p_value"] is not None]
    corrected = holm([result["p_value"] for result in tested])
    for result, value in zip(tested, corrected, strict=True):
        result["p_value_corrected"] = value
    return {"confidence": confidence, "test": "Wilcoxon signed-rank, Holm", "pairs": pairs}


def spread_of_repeats(
    table: pd.DataFrame, repeated: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """How far the mean scores of one model scatter over its seeds: what is noise, not gain.

    A row a model, region and metric of COMPARED: the mean over patients for each seed, their mean,
    and their standard deviation (n − 1; None for one seed).
    """
    rows = []
    for model, names in repeated.items():
        for region in table["region"].unique():
            for metric in COMPARED:
                chosen = table[table["region"] == region].groupby("model")[metric].mean()
                means = chosen.reindex(list(names)).astype(float)
                if means.isna().any():
                    continue
                rows.append(
                    {
                        "model": model,
                        "region": region,
                        "metric": metric,
                        "mean_by_seed": dict(means),
                        "mean": float(means.mean()),
                        "sd": float(means.std()) if len(means) > 1 else None,
                    }
                )
    return rows


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979, Scand J Statist 6:65)."""
    order = np.argsort(p_values)
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def _paired(
    differences: np.ndarray, *, samples: int, confidence: float, seed: int
) -> dict[str, Any]:
    interval = bootstrap_mean(differences, samples=samples, confidence=confidence, seed=seed)
    p_value = None
    # ASSUME differences below 10⁻¹² are rounding: equal scores are ties, not evidence.
    rounded = np.where(np.abs(differences) < 1e-12, 0.0, differences)
    if len(differences) > 1:
        p_value = float(stats.wilcoxon(rounded).pvalue) if rounded.any() else 1.0
    return {
        "n": len(differences),
        "mean_difference": float(differences.mean()) if len(differences) else None,
        "low": interval.low,
        "high": interval.high,
        "rank_balance": _rank_balance(rounded),
        "p_value": p_value,
        "p_value_corrected": None,
    }


def _rank_balance(differences: np.ndarray) -> float:
    """Matched-pairs rank-biserial correlation, -1 to 1; 0 where nothing differs."""
    unequal = differences[differences != 0]
    ranks = stats.rankdata(np.abs(unequal))
    return float((ranks * np.sign(unequal)).sum() / ranks.sum()) if unequal.size else 0.0
