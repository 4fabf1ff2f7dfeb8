"""What Snakemake keeps of each output in files of its own, named by the output's path in base64."""

import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

METADATA = Path(".snakemake/metadata")  # of outputs whose job has ended
INCOMPLETE = Path(".snakemake/incomplete")  # of outputs whose job was started and not yet recorded


def records(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (output, its record) of all records in `folder`; a long name is cut into folders."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        name = "".join(part.removeprefix("@") for part in parts)
        try:
            output = base64.urlsafe_b64decode(name.encode()).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue  # a note of Snakemake's own
        if path.is_file():
            yield output, path


def read_record(path: Path) -> dict[str, Any] | None:
    """What a record holds; None of one that was cut off, as by a power cut: it is as none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
