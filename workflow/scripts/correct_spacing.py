"""Write one CT or label again with the spacing that the user's table gives."""

import json
from pathlib import Path

from workflow.liverseg import respacing


def main(source: Path, ct: Path, image: Path, part: str, spacing_mm: str) -> None:
    """Write the image; `spacing_mm` is a JSON list, as params are compared as text."""
    respacing.correct_spacing(source, ct, image, part, json.loads(spacing_mm))


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
