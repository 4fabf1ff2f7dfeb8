"""Take a released model over into the results, once it is seen to load."""

import shutil
from pathlib import Path

from workflow.liverseg.files import whole, write_text
from workflow.liverseg.model_files import load_model
from workflow.liverseg.released import CARD, WEIGHTS


def main(
    sources: list[Path], released_history: list[Path], taken: list[Path], history: Path
) -> None:
    """Copy `sources` to `taken` in their order; the history is empty where there is none."""
    for source in sources:
        if source.name == WEIGHTS:
            load_model(source, source.with_name(CARD))
    for source, target in zip(sources, taken, strict=True):
        with whole(target) as temporary:
            shutil.copyfile(source, temporary)
    text = released_history[0].read_text(encoding="utf-8") if released_history else "epoch\n"
    write_text(history, text)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
