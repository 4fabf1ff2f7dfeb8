"""Fetch a released dataset: resumed when cut off, verified, unpacked without trust."""

import hashlib
import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from workflow.liverseg.archives import unpack
from workflow.liverseg.errors import LiversegError, fault
from workflow.liverseg.files import read_json, write_json

CHUNK = 1 << 20
ATTEMPTS = 20
TIMEOUT_S = 60.0


def fetch_and_unpack(dataset: Mapping[str, Any], record: Path, *, pause_s: float = 2.0) -> None:
    """Leave the dataset in `record`'s folder under its name, and write the record.

    `dataset` is the config's section. What was loaded before a cut, and the proof that all was
    unpacked, stay in a hidden folder beside, which is no declared output, so that Snakemake does
    not remove it. Raises LiversegError where address, size, checksum or archive are not as they
    should be.
    """
    datasets = record.parent
    folder = datasets / dataset["name"]
    archive = datasets / ".fetch" / _archive_name(dataset["url"])
    proof = archive.with_name(f"{archive.name}.unpacked.json")
    wanted = {key: dataset[key] for key in ("name", "md5")}
    if not (folder.exists() and proof.exists() and wanted.items() <= read_json(proof).items()):
        begun = archive.with_name(f"{archive.name}.unpacking.json")
        _clear(folder, begun, wanted)
        fetch(
            dataset["url"], archive, md5=dataset["md5"], size=dataset.get("bytes"), pause_s=pause_s
        )
        write_json(begun, wanted)
        found = unpack(archive, folder, most_bytes=int(dataset["unpacked_bytes"]))
        write_json(
            proof,
            {
                "name": dataset["name"],
                "url": dataset["url"],
                "md5": dataset["md5"],
                "bytes": archive.stat().st_size,
                "files": found.files,
                "unpacked_bytes": found.bytes,
                "litter_skipped": found.skipped,
            },
        )
        begun.unlink()
    if not dataset.get("keep_archive"):
        archive.unlink(missing_ok=True)
    write_json(record, read_json(proof))


def _clear(folder: Path, begun: Path, wanted: Mapping[str, Any]) -> None:
    """Remove what a run unpacked that died before it proved it; a folder of the user's is refused.

    begun: says, from before the unpacking to the proof, of which dataset the folder is.
    """
    if not folder.exists():
        return
    if not (begun.exists() and read_json(begun) == wanted):
        raise fault(
            file=folder,
            found="a folder of that name, without a record of having been fetched whole",
            remedy=f"move it away, or use it as it is: patients: results/datasets/{wanted['name']}",
        )
    shutil.rmtree(folder)


def _archive_name(url: str) -> str:
    name = Path(urlsplit(url).path).name
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{digest}-{name}"


def fetch(
    url: str, target: Path, *, md5: str, size: int | None = None, pause_s: float = 2.0
) -> None:
    """Download `url` to `target`, going on where an earlier attempt ended.

    A cut connection is taken up again up to `ATTEMPTS` times in a row without progress;
    a file whose MD5 is wrong is thrown away and loaded once more from the start. Raises
    LiversegError when that fails too, when the address is refused, or the disk is too small.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and _md5(target) == md5:
        return
    part = target.with_name(target.name + ".part")
    for _ in range(2):
        _download(url, part, size, pause_s)
        found = _md5(part)
        if found == md5:
            part.replace(target)
            return
        print(f"checksum {found} instead of {md5}: loading again from the start", flush=True)
        _forget(part)
    raise fault(
        file=target.name,
        expected=f"MD5 {md5}",
        found=f"MD5 {found}, twice",
        remedy="check the address; if the publisher has released a new file, correct the checksum",
    )


def _download(url: str, part: Path, size: int | None, pause_s: float) -> None:
    """Load until the file is whole; `part` grows, whatever happens between."""
    idle = 0
    while True:
        before = _length(part)
        if size is not None and before == size:
            return
        try:
            whole_size = _load(url, part, size)
            if _length(part) == whole_size:
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code not in {408, 425, 429} and error.code < 500:
                raise _refused(url, f"the answer {error.code}") from None
            reason = f"the answer {error.code}"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == 28:  # disk full
                raise
            reason = type(error).__name__
        idle = 0 if _length(part) > before else idle + 1
        if idle >= ATTEMPTS:
            raise _refused(url, f"no progress in {ATTEMPTS} attempts ({reason})")
        print(f"cut off at {_length(part)} bytes ({reason}); going on", flush=True)
        time.sleep(min(60.0, pause_s * 2 ** min(idle, 5)))


def _load(url: str, part: Path, size: int | None) -> int:
    """Make one request for what is missing; returns the size of the whole file."""
    have = _length(part)
    mark = part.with_name(part.name + ".json")
    known = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else {}
    request = urllib.request.Request(url)
    if have:
        request.add_header("Range", f"bytes={have}-")
        if known.get("etag"):
            # A file that was replaced in between is sent anew, not joined to the old one.
            request.add_header("If-Range", known["etag"])
    try:
        answer = _opener().open(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # whole, or of another file, which its MD5 tells
            return have
        raise
    with answer:
        start, whole_size = _extent(answer, have)
        if size is not None and whole_size != size:
            raise _refused(url, f"a file of {whole_size} bytes where {size} are expected")
        _check_space(part, whole_size - start)
        etag = answer.headers.get("ETag")
        if etag is not None and not etag.startswith("W/"):
            mark.write_text(json.dumps({"etag": etag}), encoding="utf-8")
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            while block := answer.read(CHUNK):
                stream.write(block)
    return whole_size


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int]:
    """Return where the answer's bytes start and how long the whole file is."""
    if answer.status == 206:
        place = answer.headers.get("Content-Range", "")
        span, _, total = place.removeprefix("bytes ").partition("/")
        start = span.partition("-")[0]
        if not start.isdigit() or not total.isdigit() or int(start) > have:
            raise http.client.HTTPException("a range that was not asked for")
        return int(start), int(total)
    length = answer.headers.get("Content-Length", "")
    if not length.isdigit():
        raise http.client.HTTPException("an answer without a length")
    return 0, int(length)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from an encrypted address to a plain one."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request that follows, as the base class does; refuse to give up TLS."""
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in {"http", "https"} or (old == "https" and new == "http"):
            raise _refused(req.full_url, f"a redirect from {old} to {new}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(Redirects())


def _check_space(part: Path, more: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if more > free:
        raise fault(
            file=part.name,
            found=f"{free / 1e9:.1f} GB free",
            expected=f"room for {more / 1e9:.1f} GB more",
            remedy="free some room, or run in a directory on a larger disk (--directory)",
        )


def _refused(url: str, found: str) -> LiversegError:
    address = urlsplit(url)
    return fault(
        file=Path(address.path).name,
        found=found,
        expected=f"the file, from {address.hostname}",
        remedy="check the address and the network, then run the same command again: "
        "what was loaded is kept",
    )


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".json").unlink(missing_ok=True)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()
