"""Unpack an archive from the network: nothing outside its folder, no links, no bombs."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.layouts import is_litter

MOST_FILES = 1_000_000
# ASSUME masks of 0 and 1 shrink by a few hundred at most; a bomb shrinks by thousands.
MOST_EXPANSION = 1000


@dataclass(frozen=True)
class Unpacked:
    """How many files came out, of how many bytes, and how much litter was left behind."""

    files: int
    bytes: int
    skipped: int


@dataclass(frozen=True)
class Member:
    """One file of an archive: its name, its stated size, and how to open it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, *, most_bytes: int) -> Unpacked:
    """Unpack a .tar, .tar.gz or .zip into `folder`, which appears whole or not at all.

    A single folder at the top of the archive is left out of the paths. Raises LiversegError on
    absolute paths, `..`, links, devices, names that clash, or more than `most_bytes` bytes.
    """
    beside = folder.with_name(f".{folder.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        found = _extract(archive, beside, most_bytes)
        inside = list(beside.iterdir())
        source = inside[0] if len(inside) == 1 and inside[0].is_dir() else beside
        source.rename(folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _refused(
            archive, f"an archive that cannot be read ({type(error).__name__})"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return found


def _extract(archive: Path, folder: Path, most_bytes: int) -> Unpacked:
    most_bytes = min(most_bytes, MOST_EXPANSION * archive.stat().st_size)
    seen: set[str] = set()
    files = total = skipped = 0
    for member in _members(archive):
        name = _safe_name(archive, member.name)
        if any(is_litter(part) for part in name.parts):
            skipped += 1
            continue
        if str(name).casefold() in seen:
            raise _refused(archive, "two files of one name")
        seen.add(str(name).casefold())
        files += 1
        total += member.size
        if total > most_bytes or files > MOST_FILES:
            raise _refused(archive, f"more than {most_bytes} bytes or {MOST_FILES} files")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as sink:
            _copy(archive, source, sink, member.size)
    if not files:
        raise _refused(archive, "an archive without files")
    return Unpacked(files, total, skipped)


def _copy(archive: Path, source: IO[bytes], sink: IO[bytes], size: int) -> None:
    """Copy exactly `size` bytes: an entry that holds more than it states is a bomb."""
    left = size
    while block := source.read(min(1 << 20, left + 1)):
        left -= len(block)
        if left < 0:
            break
        sink.write(block)
    if left:
        raise _refused(archive, "a file of another size than the archive states")


def _members(archive: Path) -> Iterator[Member]:
    """List the files in an archive; LiversegError at anything that is neither file nor folder."""
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
        return
    with tarfile.open(archive, "r:*") as tar:
        for entry in tar:
            if entry.isdir():
                _safe_name(archive, entry.name)
                continue
            if not entry.isreg() or entry.issparse():
                raise _refused(archive, "a link, a device, or a file with holes")
            stream = tar.extractfile(entry)
            if stream is None:
                raise _refused(archive, "a file without content")
            yield Member(entry.name, entry.size, lambda opened=stream: opened)  # type: ignore[misc]


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in {0, 0o100000, 0o040000}:
                raise _refused(archive, "a link or a device")
            if info.is_dir():
                _safe_name(archive, info.filename)
                continue
            yield Member(
                info.filename,
                info.file_size,
                lambda info=info: packed.open(info),  # type: ignore[misc]
            )


def _safe_name(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    # `C:` at the front is a drive on Windows.
    if unsafe or any(":" in part for part in path.parts[:1]):
        raise _refused(archive, "a path that leads out of the folder")
    return path


def _refused(archive: Path, found: str) -> LiversegError:
    return fault(
        file=archive.name,
        expected="plain files and folders below the archive's own folder",
        found=found,
        remedy="do not use this archive; fetch the dataset from its publisher",
    )
