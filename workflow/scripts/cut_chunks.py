"""Cut one prepared volume into chunks of slices."""

from pathlib import Path

import numpy as np

from workflow.liverseg.chunks import cut_volume
from workflow.liverseg.files import whole, write_table
from workflow.liverseg.volume_files import read_volume


def main(volume: Path, table: Path, image: Path, label: Path, settings: dict) -> None:
    """Write the chunks' table, images and labels."""
    rows, images, labels = cut_volume(read_volume(volume), settings["chunks"])
    for path, chunks in ((image, images), (label, labels)):
        with whole(path) as temporary:
            np.save(temporary, chunks)
    write_table(table, rows)


if __name__ == "__main__":
    from workflow.liverseg.jobs import run_job

    run_job(snakemake, main)  # type: ignore[name-defined]  # noqa: F821
