"""Compare the trained models by the differences of their scores within patients."""

from pathlib import Path

from workflow.liverseg.comparisons import compare_models, spread_of_repeats
from workflow.liverseg.files import read_json, write_json
from workflow.liverseg.summaries import score_table


def main(scores: list[Path], comparison: Path, settings: dict) -> None:
    """Write each pair of models with differences, intervals and tests, and the spread of seeds."""
    chosen = settings["scores"]
    table = score_table([read_json(path) for path in scores])
    figures = compare_models(
        table,
        samples=chosen["bootstrap_samples"],
        confidence=chosen["confidence"],
        seed=chosen["seed"],
    )
    write_json(comparison, figures | {"repeats": spread_of_repeats(table, settings["repeated"])})


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
