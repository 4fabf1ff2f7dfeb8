"""Build the page that shows the whole run: cohort, split, training, scores, a card a patient."""

from pathlib import Path

from workflow.liverseg.files import write_text
from workflow.liverseg.report_inputs import Sources, read_run
from workflow.liverseg.report_page import render


def main(
    page: Path,
    cohort: Path,
    rejected: Path,
    split: Path,
    inspections: list[Path],
    chunks: list[Path],
    filtered: list[Path],
    cards: list[Path],
    histories: list[Path],
    predictions: list[Path],
    scores: list[Path],
    summaries: list[Path],
    meshes: list[Path],
    comparison: list[Path],
    benchmarks: str,
    settings: dict,
) -> None:
    """Write the page from what the steps of the run wrote."""
    sources = Sources(
        cohort=cohort,
        rejected=rejected,
        split=split,
        inspections=inspections,
        chunks=chunks,
        filtered=filtered,
        cards=cards,
        histories=histories,
        predictions=predictions,
        scores=scores,
        summaries=summaries,
        meshes=meshes,
        comparison=comparison,
        benchmarks=Path(benchmarks),
    )
    write_text(page, render(read_run(sources), settings))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
