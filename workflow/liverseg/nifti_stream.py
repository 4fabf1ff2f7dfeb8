"""Read a NIfTI file once, to its last byte: checksum, digest and voxels in the same pass.

nibabel stops at the last voxel and so never sees the checksum that follows it. Here the stream is
read to its end; a cut, a flipped bit, or something behind the image is found.
"""

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from isal import igzip, igzip_lib

from workflow.liverseg.findings import Finding, Rejection, reject, warn
from workflow.liverseg.nifti_header import Header, header_size, not_nifti, parse_header

BLOCK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
MAX_INFLATION = 1040  # no deflate stream grows by more than 1032


@dataclass(frozen=True)
class Volume:
    """Voxels as stored `(i, j, k, …)`, Fortran order, and what the file says about them."""

    voxels: np.ndarray
    header: Header
    sha256: str
    findings: tuple[Finding, ...]
    extensions: tuple[int, ...] = ()


class _Digesting(io.RawIOBase):
    """A file whose digest grows as it is read; what is never read is not in it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self.stream = stream
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        """Say that it can be read, as a buffered reader asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, take what came into the digest, and return the number of bytes."""
        count = self.stream.readinto(buffer)  # type: ignore[attr-defined]
        self.digest.update(memoryview(buffer)[:count])
        return count


def read_volume(path: Path, part: str) -> Volume:
    """Read a NIfTI file to its last byte; Rejection where it is not a whole, sound image.

    `part` is "ct" or "label" and names the file in findings. Voxels are not scaled.
    """
    with _telling(part), path.open("rb", buffering=0) as stream:
        return _read(stream, path.name.lower(), part)


def read_grid(path: Path, part: str) -> Header:
    """Read the header alone: shape and affine; Rejection where it is none."""
    with _telling(part), path.open("rb", buffering=0) as stream:
        start = stream.read(16)
        stream.seek(0)
        if not start:
            raise Rejection(not_nifti(part, "an empty file"))
        zipped = start[:2] == GZIP_MAGIC
        _check_name(path.name.lower(), zipped, start, part)
        return _read_front(igzip.IGzipFile(fileobj=stream) if zipped else stream, part)[0]  # type: ignore[arg-type]


@contextmanager
def _telling(part: str) -> Iterator[None]:
    """Turn what the system or the decompression raises into a Rejection."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, igzip_lib.IsalError) as error:  # type: ignore[misc]
        raise Rejection(_damaged(part, _plain(error))) from error
    except EOFError as error:
        raise Rejection(_truncated(part, "a gzip stream that ends too early")) from error
    except OSError as error:
        raise Rejection(
            reject(
                "file_unreadable",
                part,
                found=f"the system's error: {error.strerror or type(error).__name__}",
                expected="a file that can be read to its end",
                remedy="check permissions and disk, or restore the file",
            )
        ) from error


def _plain(error: Exception) -> str:
    text = str(error)
    return "a wrong checksum (CRC)" if "CRC" in text else "a damaged gzip stream"


def _damaged(part: str, found: str) -> Finding:
    return reject(
        "gzip_damaged",
        part,
        found=found,
        expected="a gzip stream whose checksum is right",
        remedy="download or copy the file again; its voxels cannot be trusted",
    )


def _truncated(part: str, found: str) -> Finding:
    return reject(
        "file_truncated",
        part,
        found=found,
        expected="a file that holds all voxels that its header announces",
        remedy="download or copy the file again",
    )


def _read(stream: BinaryIO, name: str, part: str) -> Volume:
    size = os.fstat(stream.fileno()).st_size
    if size == 0:
        raise Rejection(not_nifti(part, "an empty file"))
    start = stream.read(16)
    stream.seek(0)
    zipped = start[:2] == GZIP_MAGIC
    _check_name(name, zipped, start, part)
    raw = _Digesting(stream)
    inflated: BinaryIO = (
        igzip.IGzipFile(fileobj=io.BufferedReader(raw, BLOCK), mode="rb") if zipped else raw  # type: ignore[assignment]
    )
    header, extensions, front = _read_front(inflated, part)
    _check_size(header, size, zipped, part)
    voxels = _read_voxels(inflated, header, front, part)
    findings = _read_rest(inflated, part)
    array = voxels.view(header.dtype).reshape(header.shape, order="F")
    digest = raw.digest.hexdigest()
    return Volume(array, header, digest, (*header.findings, *findings), extensions)


def _check_name(name: str, zipped: bool, start: bytes, part: str) -> None:
    if not zipped and header_size(start) is None:
        raise Rejection(not_nifti(part, _what_it_is(start)))
    if zipped != name.endswith(".gz"):
        raise Rejection(
            reject(
                "name_wrong",
                part,
                found="a gzip file named .nii" if zipped else "a plain file named .nii.gz",
                expected="a name that fits the content",
                remedy=f"rename it to end in {'.nii.gz' if zipped else '.nii'}",
            )
        )


def _what_it_is(start: bytes) -> str:
    text = start.lstrip().lower()
    if text.startswith((b"<!doc", b"<html", b"<?xml", b"<")):
        return "a web page (HTML) instead of an image"
    if start.startswith(b"PK"):
        return "a zip archive"
    if start.startswith(b"version https://git"):
        return "a Git LFS pointer instead of the image"
    return "bytes that are no NIfTI image"


def _read_exactly(stream: BinaryIO, count: int, part: str) -> bytes:
    chunks = []
    while count > 0:
        chunk = stream.read(min(count, BLOCK))
        if not chunk:
            raise Rejection(_truncated(part, "a file that ends within its header"))
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _read_front(stream: BinaryIO, part: str) -> tuple[Header, tuple[int, ...], int]:
    """Read header and extensions; returns how many bytes were consumed as well."""
    start = _read_exactly(stream, 4, part)
    size = header_size(start)
    if size is None:
        raise Rejection(not_nifti(part, "a gzip file that holds no NIfTI image"))
    header = parse_header(start + _read_exactly(stream, size - 4, part), part)
    if header.offset > MAX_FRONT:
        raise Rejection(_truncated(part, f"{header.offset} bytes before the first voxel"))
    rest = _read_exactly(stream, header.offset - size, part)
    return header, _extension_codes(rest, header.dtype.byteorder), header.offset


MAX_FRONT = 256 << 20


def _extension_codes(rest: bytes, byteorder: str) -> tuple[int, ...]:
    """List the codes of the header extensions; their content is not looked at."""
    codes = []
    position = 4
    order = ">" if byteorder == ">" else "<"
    while rest[:1] not in (b"", b"\0") and position + 8 <= len(rest):
        length, code = np.frombuffer(rest[position : position + 8], f"{order}i4")
        if length < 8:
            break
        codes.append(int(code))
        position += int(length)
    return tuple(codes)


def _check_size(header: Header, file_bytes: int, zipped: bool, part: str) -> None:
    """Refuse before memory is taken for voxels that the file cannot hold."""
    wanted = header.offset + header.data_bytes
    most = file_bytes * MAX_INFLATION if zipped else file_bytes
    if wanted > most:
        raise Rejection(
            _truncated(part, f"{file_bytes} bytes for an image of {wanted}" + " (gzip)" * zipped)
        )


def _read_voxels(stream: BinaryIO, header: Header, front: int, part: str) -> np.ndarray:
    voxels = np.empty(header.data_bytes, dtype=np.uint8)
    view = memoryview(voxels.data)
    done = 0
    while done < len(view):
        count = stream.readinto(view[done : done + 4 * BLOCK])  # type: ignore[attr-defined]
        if not count:
            whole = header.shape[-1] * done // max(1, len(view))
            raise Rejection(
                _truncated(part, f"an end after {done} of {len(view)} bytes (slice {whole})")
            )
        done += count
    return voxels


def _read_rest(stream: BinaryIO, part: str) -> tuple[Finding, ...]:
    """Read to the end, which checks the checksum; refuse what lies behind the image."""
    surplus, blank = 0, True
    while block := stream.read(BLOCK):
        surplus += len(block)
        blank = blank and not block.strip(b"\0")
    if not surplus:
        return ()
    found = f"{surplus} bytes behind the last voxel"
    # ASSUME a short run of zeros is what tapes and archives pad with.
    if blank and surplus <= 4096:
        return (
            warn(
                "bytes_behind",
                part,
                found=found,
                expected="an end after the last voxel",
                remedy="nothing: they are zero and were ignored",
            ),
        )
    raise Rejection(
        reject(
            "bytes_behind",
            part,
            found=found,
            expected="an end after the last voxel",
            remedy="header and voxels do not belong together: export or download it again",
        )
    )
