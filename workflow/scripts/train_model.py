"""Train one model on the chunks of the training patients."""

from pathlib import Path

from workflow.liverseg.jobs import terminal
from workflow.liverseg.training_run import TrainingFiles, run_training


def main(
    train_images: list[Path],
    train_labels: list[Path],
    train_kept: list[Path],
    validation_volumes: list[Path],
    weights: Path,
    card: Path,
    history: Path,
    model: str,
    settings: dict,
    code: list[str],
    resume: str,
) -> None:
    """Write weights, card and history; an interrupted training goes on where it was.

    A state that other code left is not gone on from: the result would be of neither.
    """
    files = TrainingFiles(
        train_images, train_labels, train_kept, validation_volumes, weights, card, history
    )
    run_training(
        files,
        name=model,
        settings=settings,
        code=tuple(code),
        resume_root=Path(resume),
        terminal=terminal(),
    )


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # noqa: F821
