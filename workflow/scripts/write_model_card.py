"""Write a model's card for readers beside the model."""

from pathlib import Path

from workflow.liverseg.files import read_json, read_table, write_text
from workflow.liverseg.model_card import model_card


def main(
    cards: list[Path], summary: list[Path], table: list[Path], readme: Path, settings: dict
) -> None:
    """Write the card from `model.json` of each part and, where there are scores, these."""
    parts = {path.parent.name: read_json(path) for path in cards}
    figures = read_json(summary[0]) if summary else None
    scored = sorted(set(read_table(table[0])["patient"])) if table else []
    write_text(readme, model_card(parts, figures, scored, settings))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
