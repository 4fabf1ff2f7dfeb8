"""What Snakemake keeps of each output in files of its own, named by the output's path in base64."""

import base64
from collections.abc import Iterator
from pathlib import Path

METADATA = Path(".snakemake/metadata")  # of outputs whose job has ended
INCOMPLETE = Path(".snakemake/incomplete")  # of outputs whose job was started and not yet recorded


def records(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (output, its record) of all records in `folder`; a long name is cut into folders."""
    for path in folder.rglob("*"):
        if path.is_file():
            parts = path.relative_to(folder).parts
            name = "".join(part.removeprefix("@") for part in parts)
            yield base64.urlsafe_b64decode(name.encode()).decode(), path
