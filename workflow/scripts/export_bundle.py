"""Write a trained model as a MONAI bundle."""

from pathlib import Path

from workflow.liverseg.bundle import BundleFiles, write_bundle


def main(
    weights: Path,
    card: Path,
    metadata: Path,
    inference: Path,
    state: Path,
    readme: Path,
    licence: Path,
    package: Path,
    padding: Path,
    unet3d: Path,
    predicting: Path,
    settings: dict,
) -> None:
    """Write the files of the bundle."""
    scripts = (package, padding, unet3d, predicting)
    files = BundleFiles(metadata, inference, state, readme, licence, *scripts)
    write_bundle(weights, card, files, settings["prediction"])


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
