"""Write a trained model as ONNX, checked against torch on a real volume."""

from pathlib import Path

from workflow.liverseg.export import export_onnx, samples_of
from workflow.liverseg.model_files import read_card
from workflow.liverseg.volume_files import read_volume


def main(weights: Path, card: Path, volume: Path, onnx: Path) -> None:
    """Write the ONNX file; fails where it does not answer as torch does."""
    samples = samples_of(read_volume(volume).image, read_card(card).patch)
    apart = export_onnx(weights, card, onnx, samples)
    print(f"probabilities differ by at most {apart:.2g} on {len(samples)} samples")


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
