"""Gather one model's scores into a table and a summary with confidence intervals."""

from pathlib import Path

from workflow.liverseg.files import read_json, write_json, write_table
from workflow.liverseg.grid_doubts import grid_doubts
from workflow.liverseg.summaries import left_out, score_table, summarise


def main(
    scores: list[Path],
    inspections: list[Path],
    table: Path,
    summary: Path,
    model: str,
    settings: dict,
) -> None:
    """Write the table (one row a patient and region) and the summary of each region."""
    chosen = settings["scores"]
    doubts = {path.stem: grid_doubts(read_json(path)) for path in inspections}
    rows = score_table([read_json(path) for path in scores], doubts)
    write_table(table, rows)
    figures = summarise(
        rows,
        samples=chosen["bootstrap_samples"],
        confidence=chosen["confidence"],
        seed=chosen["seed"],
    )
    write_json(summary, {"model": model, **figures})
    print("\n".join(left_out(figures)))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
