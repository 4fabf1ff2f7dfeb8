"""Compare the trained models by the differences of their scores within patients."""

from pathlib import Path

from workflow.liverseg.comparisons import compare_models
from workflow.liverseg.files import read_json, write_json
from workflow.liverseg.summaries import score_table


def main(scores: list[Path], comparison: Path, settings: dict) -> None:
    """Write each pair of models with differences, intervals and tests; no pair with one model."""
    chosen = settings["scores"]
    figures = compare_models(
        score_table([read_json(path) for path in scores]),
        samples=chosen["bootstrap_samples"],
        confidence=chosen["confidence"],
        seed=chosen["seed"],
    )
    write_json(comparison, figures)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # noqa: F821
