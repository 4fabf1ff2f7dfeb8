"""A folder as it is: to see that nothing was written in it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from workflow.liverseg.files import sha256

Listing = dict[str, tuple[int, str]]


def listing(folder: Path) -> Listing:
    """Path → (time of change in ns, digest) of all below; a folder's time tells what came and went.

    `root` writes where nobody may, so that modes alone would prove nothing.
    """
    paths = [folder, *folder.rglob("*")]
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            sha256(path) if path.is_file() else "",
        )
        for path in paths
    }


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take away the right to write in the folder and its files, for all but root."""
    paths = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
