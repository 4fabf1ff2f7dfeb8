"""Reading and writing: outputs appear whole or not at all."""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.liverseg.errors import LiversegError, fault

if TYPE_CHECKING:
    import pandas as pd

UNFINISHED = ".part-"  # how the names of files begin that are being written


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success sync it and rename it to `path`.

    A reader never sees half a file, whatever kills the writer; after an error `path` is as it was.
    The temporary name keeps the suffixes, since many writers choose their format by them.
    LiversegError when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random, since two machines of a cluster may count to the same process id.
    temporary = path.with_name(f"{UNFINISHED}{secrets.token_hex(6)}.{path.name}")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except Exception as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


NEXT_TO_NOTHING = 64e3  # bytes
NUMPY_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is for want of room on a disk."""
    # Libraries in C or Rust often hand on the words alone.
    while error is not None:
        if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
            return True
        if "No space left" in str(error) or "quota exceeded" in str(error):
            return True
        if NUMPY_CUT_SHORT.fullmatch(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def disk_full(path: Path) -> LiversegError:
    """What to say when there was no room to write `path`."""
    return fault(
        file=path,
        expected="space on the disk to write it",
        found=f"no space left, or a quota used up ({room_at(path)}, the unfinished file removed)",
        remedy="make room, or run in another place with --directory, then start again",
    )


def room_at(path: Path) -> str:
    """How much room there is on the disk where `path` stands or is to stand, in words."""
    usage = shutil.disk_usage(_standing(path))
    return f"{usage.free / 1e6:.0f} of {usage.total / 1e6:.0f} MB free"


def has_no_room(path: Path) -> bool:
    """Whether the disk where `path` is to stand can take next to nothing: bytes, or file names."""
    state = os.statvfs(_standing(path))
    no_names = state.f_files > 0 and state.f_favail == 0
    return no_names or state.f_bavail * state.f_frsize < NEXT_TO_NOTHING


def _standing(path: Path) -> Path:
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line feeds, whole."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole; NaN and infinity are refused (ValueError), since JSON has none."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table without its index, whole: tabs for `.tsv`, commas otherwise."""
    separator = "\t" if path.suffix == ".tsv" else ","
    write_text(path, table.to_csv(sep=separator, index=False, lineterminator="\n"))


def read_table(path: Path) -> "pd.DataFrame":
    """Read a table as `write_table` wrote it; patient names stay text (a patient may be `007`)."""
    import pandas as pd

    texts = dict.fromkeys(("patient", "group", "split", "label", "image"), str)
    separator = "\t" if path.suffix == ".tsv" else ","
    return pd.read_csv(path, sep=separator, dtype=texts, keep_default_na=False, na_values=[""])


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
