"""Train one model on the chunks of the training patients."""

from pathlib import Path
from typing import Any

from workflow.liverseg.jobs import terminal
from workflow.liverseg.training_run import TrainingFiles, run_training
from workflow.liverseg.training_together import train_together


def main(
    train_images: list[Path],
    train_labels: list[Path],
    train_kept: list[Path],
    validation_volumes: list[Path],
    warm_start: list[Path],
    weights: Path,
    card: Path,
    history: Path,
    events: Path,
    model: str,
    settings: dict,
    code: list[str],
    resume: str,
    gpu: int,
    device: str,
    checkpoint_seconds: int,
) -> None:
    """Write weights, card, history and events; an interrupted training goes on where it was.

    With several GPUs (`--set-resources train_model:gpu=N`), as many processes share each batch.
    A state that other code left is not gone on from: the result would be of neither.
    """
    files = TrainingFiles(
        train_images,
        train_labels,
        train_kept,
        validation_volumes,
        warm_start,
        weights,
        card,
        history,
        events,
    )
    settings["training"] |= {"device": device, "checkpoint_minutes": checkpoint_seconds / 60}
    known: dict[str, Any] = {
        "name": model,
        "settings": settings,
        "code": tuple(code),
        "resume_root": Path(resume),
    }
    if gpu > 1:
        train_together(files, processes=gpu, **known)
    else:
        run_training(files, terminal=terminal(), **known)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
