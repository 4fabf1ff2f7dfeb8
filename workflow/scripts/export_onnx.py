"""Write a trained model as ONNX, checked against torch on real chunks."""

from pathlib import Path

import numpy as np

from workflow.liverseg.export import export_onnx
from workflow.liverseg.model_files import read_card
from workflow.liverseg.training_data import read_chunks, sized


def main(
    weights: Path,
    card: Path,
    train_images: list[Path],
    train_labels: list[Path],
    train_kept: list[Path],
    onnx: Path,
) -> None:
    """Write the ONNX file; fails where it does not answer as torch does."""
    chunks = read_chunks(train_images[:1], train_labels[:1], train_kept[:1])[:2]
    patch = read_card(card).patch
    sizes = np.stack([sized(chunk.image.numpy(), patch) for chunk in chunks])
    apart = export_onnx(weights, card, onnx, sizes)
    print(f"probabilities differ by at most {apart:.2g} on {len(chunks)} chunks")


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
