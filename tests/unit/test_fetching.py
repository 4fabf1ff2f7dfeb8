"""A dataset is fetched whole from a server that cuts off, corrupts and redirects."""

import hashlib
import http.client
import http.server
import io
import tarfile
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workflow.liverseg import fetching
from workflow.liverseg.archives import unpack
from workflow.liverseg.errors import LiversegError
from workflow.liverseg.fetching import Redirects, fetch, fetch_and_unpack
from workflow.liverseg.files import read_json


class Server(http.server.ThreadingHTTPServer):
    """Serves one file; what goes wrong is set by the test."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag = '"one"'
        self.cut_after: list[int] = []
        self.corrupt = 0
        self.errors: list[int] = []
        self.ranges = True
        self.tells_size = True  # of what is asked for behind its end
        self.requests: list[str] = []

    def url(self, path: str = "/data.tar") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range", "")
        server.requests.append(asked)
        if self.path == "/moved":
            return self._head(302, {"Location": "/data.tar"})
        if self.path == "/file":
            return self._head(302, {"Location": "file:///etc/hostname"})
        if self.path == "/ring":
            return self._head(302, {"Location": "/ring"})
        if self.path != "/data.tar":
            return self._head(404, {})
        if server.errors:
            return self._head(server.errors.pop(0), {})
        start, status = 0, 200
        same = self.headers.get("If-Range", server.etag) == server.etag
        if asked and server.ranges and same:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        if start >= len(server.content):
            told = {"Content-Range": f"bytes */{len(server.content)}"} if server.tells_size else {}
            return self._head(416, told)
        body = server.content[start:]
        extra = {"Content-Length": str(len(body)), "ETag": server.etag}
        if status == 206:
            end = len(server.content)
            extra["Content-Range"] = f"bytes {start}-{end - 1}/{end}"
        if server.corrupt:
            server.corrupt -= 1
            body = bytes([body[0] ^ 1]) + body[1:]
        if server.cut_after:
            body = body[: server.cut_after.pop(0)]
            self.close_connection = True
        self._head(status, extra, body)

    def _head(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def tar_of(files: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


TASK = {
    "Task03_Liver/dataset.json": b"{}",
    "Task03_Liver/imagesTr/liver_0.nii.gz": bytes(range(256)) * 300,
    "Task03_Liver/imagesTr/._liver_0.nii.gz": b"litter",
    "Task03_Liver/labelsTr/liver_0.nii.gz": b"label",
}
CONTENT = tar_of(TASK)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(CONTENT)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def get(server: Server, target: Path, path: str = "/data.tar", **more: object) -> bytes:
    fetch(server.url(path), target, md5=MD5, pause_s=0.0, **more)  # type: ignore[arg-type]
    return target.read_bytes()


def test_a_download_that_is_cut_off_goes_on_where_it_ended(server: Server, tmp_path: Path):
    server.cut_after = [10_000, 30_000, 1]
    assert get(server, tmp_path / "a.tar") == CONTENT
    assert server.requests == ["", "bytes=10000-", "bytes=40000-", "bytes=40001-"]


def test_a_new_run_goes_on_where_the_last_one_ended(server: Server, tmp_path: Path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:5000])
    assert get(server, tmp_path / "a.tar") == CONTENT
    assert server.requests == ["bytes=5000-"]


def test_what_is_there_is_not_loaded_again(server: Server, tmp_path: Path):
    get(server, tmp_path / "a.tar")
    get(server, tmp_path / "a.tar")
    assert len(server.requests) == 1


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path):
    server.cut_after, server.ranges = [10_000], False
    assert get(server, tmp_path / "a.tar") == CONTENT


def test_a_file_replaced_meanwhile_is_not_joined_to_the_old_one(server: Server, tmp_path: Path):
    (tmp_path / "a.tar.part").write_bytes(b"x" * 5000)
    (tmp_path / "a.tar.part.json").write_text('{"etag": "\\"old\\""}')
    assert get(server, tmp_path / "a.tar") == CONTENT
    assert len(server.requests) == 1


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path):
    (tmp_path / "a.tar.part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert get(server, tmp_path / "a.tar") == CONTENT


@pytest.mark.parametrize("tells_size", [True, False])
def test_a_whole_part_is_not_loaded_again(server: Server, tmp_path: Path, tells_size: bool):
    server.tells_size = tells_size
    (tmp_path / "data.tar.part").write_bytes(CONTENT)
    fetch(server.url(), tmp_path / "data.tar", md5=MD5, pause_s=0)
    assert (tmp_path / "data.tar").read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_corrupted_download_is_loaded_once_more(server: Server, tmp_path: Path):
    server.corrupt = 1
    assert get(server, tmp_path / "a.tar") == CONTENT


def test_a_wrong_checksum_stops_and_leaves_nothing(server: Server, tmp_path: Path):
    server.corrupt = 99
    with pytest.raises(LiversegError, match="twice"):
        get(server, tmp_path / "a.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_stops_before_anything_is_loaded(server: Server, tmp_path: Path):
    with pytest.raises(LiversegError, match="where 5 are expected"):
        get(server, tmp_path / "a.tar", size=5)
    assert list(tmp_path.iterdir()) == []


def test_an_overloaded_server_is_asked_again_and_a_missing_file_is_not(
    server: Server, tmp_path: Path
):
    server.errors = [503, 429, 500]
    assert get(server, tmp_path / "a.tar") == CONTENT
    before = len(server.requests)
    with pytest.raises(LiversegError, match="404"):
        get(server, tmp_path / "b.tar", "/nothing")
    assert len(server.requests) == before + 1


def test_redirects_are_followed_but_not_out_of_the_web(server: Server, tmp_path: Path):
    assert get(server, tmp_path / "a.tar", "/moved") == CONTENT
    for path in ("/file", "/ring"):
        with pytest.raises(LiversegError, match="302"):
            get(server, tmp_path / "b.tar", path)


@pytest.mark.parametrize("target", ["http://example.org/a.tar", "ftp://example.org/a.tar"])
def test_a_redirect_never_gives_up_encryption(target: str):
    request = urllib.request.Request("https://example.org/a.tar")
    with pytest.raises(LiversegError, match="a redirect from https to"):
        headers = http.client.HTTPMessage()
        Redirects().redirect_request(request, io.BytesIO(), 302, "", headers, target)


def test_no_progress_at_all_ends(server: Server, tmp_path: Path):
    server.cut_after = [0] * 100
    with pytest.raises(LiversegError, match="no progress in 20 attempts"):
        get(server, tmp_path / "a.tar")


def test_a_dataset_is_fetched_and_unpacked_beside_its_record(server: Server, tmp_path: Path):
    server.cut_after = [20_000]
    dataset = {"name": "Liver", "url": server.url(), "md5": MD5, "unpacked_bytes": 10**9}
    fetch_and_unpack(dataset, tmp_path / "Liver.json", pause_s=0.0)
    assert (tmp_path / "Liver/imagesTr/liver_0.nii.gz").read_bytes() == bytes(range(256)) * 300
    record = read_json(tmp_path / "Liver.json")
    assert record["files"] == 3 and record["litter_skipped"] == 1 and record["md5"] == MD5
    assert list((tmp_path / ".fetch").glob("*.tar")) == []


@pytest.mark.parametrize("killed", ["write_json", "unlink"])
def test_a_run_that_died_after_unpacking_is_gone_on_from(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
):
    def die(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    dataset = {"name": "Liver", "url": server.url(), "md5": MD5, "unpacked_bytes": 10**9}
    record = tmp_path / "Liver.json"
    with monkeypatch.context() as here:
        if killed == "write_json":  # unpacked, and nothing proves it
            write = fetching.write_json
            here.setattr(
                fetching,
                "write_json",
                lambda path, content: (die if "unpacked" in path.name else write)(path, content),
            )
        else:
            unlink = Path.unlink
            here.setattr(
                Path,
                "unlink",
                lambda path, missing_ok=False: (die if path.suffix == ".tar" else unlink)(
                    path, missing_ok=missing_ok
                ),
            )
        with pytest.raises(KeyboardInterrupt):
            fetch_and_unpack(dataset, record, pause_s=0.0)
    assert (tmp_path / "Liver").is_dir() and not record.exists()
    for _ in range(2):  # again, with the archive gone
        fetch_and_unpack(dataset, record, pause_s=0.0)
        assert read_json(record)["files"] == 3
        record.unlink()
    assert len(server.requests) == 1
    assert (tmp_path / "Liver/labelsTr/liver_0.nii.gz").read_bytes() == b"label"


def test_a_folder_of_that_name_is_left_alone(server: Server, tmp_path: Path):
    dataset = {"name": "Liver", "url": server.url(), "md5": MD5, "unpacked_bytes": 10**9}
    fetch_and_unpack({**dataset, "keep_archive": True}, tmp_path / "Liver.json", pause_s=0.0)
    (tmp_path / "Mine").mkdir()
    with pytest.raises(LiversegError, match="move it away"):
        fetch_and_unpack({**dataset, "name": "Mine"}, tmp_path / "Mine.json", pause_s=0.0)
    assert (tmp_path / "Mine").is_dir() and not (tmp_path / "Mine.json").exists()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        tar.addfile(info, io.BytesIO(b"\0" * size))
    return raw.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        entry("../outside"),
        entry("a/../../outside"),
        entry("/tmp/outside"),
        entry("a\\..\\outside"),
        entry("C:/outside"),
        entry("link", tarfile.SYMTYPE, "/etc"),
        entry("hard", tarfile.LNKTYPE, "/etc/hostname"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        entry("../outside", tarfile.DIRTYPE),
        tar_of({"a/x": b"1", "a/X": b"2"}),
        entry("large", size=2_000_000),
        tar_of({}),
        CONTENT[: len(CONTENT) // 2],
        b"no archive at all",
    ],
)
def test_an_archive_that_is_not_to_be_trusted_is_refused(tmp_path: Path, content: bytes):
    archive = tmp_path / "in" / "a.tar"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(LiversegError, match="do not use this archive"):
        unpack(archive, tmp_path / "in" / "out", most_bytes=1_000_000)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "in"]


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("big", b"\0" * 20_000_000)
    assert archive.stat().st_size < 30_000
    with pytest.raises(LiversegError, match="more than"):
        unpack(archive, tmp_path / "out", most_bytes=1_000_000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_zip_is_unpacked_without_its_single_top_folder(tmp_path: Path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("top/a/x", b"1")
        packed.writestr("top/y", b"2")
    found = unpack(archive, tmp_path / "out", most_bytes=1000)
    assert (found.files, found.bytes) == (2, 2)
    assert (tmp_path / "out/a/x").read_bytes() == b"1"
