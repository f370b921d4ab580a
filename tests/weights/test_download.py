"""Fetching weight files, against a server on this machine."""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mindrcnn.errors import InputError
from mindrcnn.weights import transfer
from mindrcnn.weights.download import fetch_weights

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


MISBEHAVING = {
    "/odd-length": b"HTTP/1.0 200 OK\r\nContent-Length: abc\r\n\r\nhello",
    "/to-a-file": b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "/to-ftp": b"HTTP/1.0 302 Found\r\nLocation: ftp://127.0.0.1/w\r\n\r\n",
    "/to-nonsense": b"HTTP/1.0 302 Found\r\nLocation: http://[::1\r\n\r\n",
    "/drip": b"HTTP/1.0 200 OK\r\n\r\n",
    "/drip-header": b"HTTP/1.0 200 OK\r\nX-Slow: ",
    "/huge": b"HTTP/1.0 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n",
    "/part": b"HTTP/1.0 206 P\r\nContent-Range: bytes 5-7/8\r\nContent-Length: 3\r\n\r\nabc",
    "/nothing": b"HTTP/1.0 204 N\r\n\r\n",
    "/empty": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "/absurd": b"HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
    "/endless": b"HTTP/1.0 200 OK\r\n\r\n",
}


class Handler(BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self) -> None:
        Handler.requests += 1
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path in MISBEHAVING:
            self.misbehave(MISBEHAVING[self.path])
            return
        self.send_response(200)
        if not self.path.startswith("/unsized"):
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path.startswith("/cut") else CONTENT)

    def misbehave(self, start: bytes) -> None:
        """Sends the start and, for a drip, a byte now and then; for an endless file, ever more."""
        with suppress(OSError):
            self.wfile.write(start)
            for _ in range(40 if "drip" in self.path else 0):
                time.sleep(0.05)
                self.wfile.write(b"x")
            for _ in range(100 if self.path == "/endless" else 0):
                self.wfile.write(bytes(10_000))

    def log_message(self, *arguments: object) -> None:
        """Keeps the test output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.requests = 0
    instance = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=instance.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{instance.server_port}"
    instance.shutdown()
    instance.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv("MINDRCNN_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


def test_local_file(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(CONTENT)
    assert fetch_weights(str(path)) == path
    assert fetch_weights(str(path), sha256=SHA256[:8].upper()) == path
    with pytest.raises(InputError, match=r"w\.pth: wanted SHA-256 0123456789abcdef, got " + SHA256[:16]):
        fetch_weights(str(path), sha256="0123456789abcdef")


def test_missing_local_file() -> None:
    with pytest.raises(InputError, match=r"no/such\.pth"):
        fetch_weights("no/such.pth")


@pytest.mark.parametrize("digest", ["1234567", "g" * 8, "a" * 65])
def test_malformed_digest(tmp_path: Path, digest: str) -> None:
    (tmp_path / "w.pth").touch()
    with pytest.raises(InputError, match="weights_sha256: wanted 8 to 64"):
        fetch_weights(str(tmp_path / "w.pth"), sha256=digest)


def test_file_url(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(CONTENT)
    fetched = fetch_weights(path.as_uri(), sha256=SHA256)
    assert fetched.parent == cache / "weights"
    assert fetched.read_bytes() == CONTENT


@pytest.mark.parametrize("route", ["w", "unsized"])
def test_download_once(server: str, cache: Path, route: str) -> None:
    path = fetch_weights(f"{server}/{route}/resnet.pth", sha256=SHA256[:10])
    assert path.name.endswith("-resnet.pth")
    assert path.read_bytes() == CONTENT
    assert fetch_weights(f"{server}/{route}/resnet.pth", sha256=SHA256[:10]) == path
    assert Handler.requests == 1
    assert {path.name for path in path.parent.iterdir()} == {path.name, "lock"}
    assert fetch_weights(f"{server}/{route}/other/resnet.pth") != path


@pytest.mark.parametrize(
    ("route", "digest", "message"),
    [
        ("missing/w.pth", "", "answered 404"),
        ("cut/w.pth", "", f"closed after {len(CONTENT) // 2} of {len(CONTENT)} bytes"),
        ("w/w.pth", "00000000", "wanted SHA-256 00000000"),
    ],
)
def test_failed_download_leaves_nothing(server: str, cache: Path, route: str, digest: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fetch_weights(f"{server}/{route}", sha256=digest)
    assert f"{server}/{route}" in str(caught.value)
    assert [path.name for path in cache.rglob("*.*")] == []
    assert [path.name for path in (cache / "weights").iterdir()] == ["lock"]


@pytest.mark.parametrize("home", [False, True])
def test_a_download_of_an_earlier_version_is_used(
    server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    earlier = tmp_path / "home" / ".cache" / "mindrcnn" if home else cache
    path = fetch_weights(f"{server}/w.pth")
    earlier.mkdir(parents=True, exist_ok=True)
    moved = path.rename(earlier / path.name)
    assert fetch_weights(f"{server}/w.pth", sha256=SHA256) == moved
    assert Handler.requests == 1


def test_altered_cache_is_noticed(server: str, cache: Path) -> None:
    path = fetch_weights(f"{server}/w.pth", sha256=SHA256)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="cached; delete it"):
        fetch_weights(f"{server}/w.pth", sha256=SHA256)


def test_offline(cache: Path) -> None:
    with pytest.raises(
        InputError, match=r"cannot download http://127\.0\.0\.1:9/w\.pth: .*refused.*file's path instead"
    ):
        fetch_weights("http://127.0.0.1:9/w.pth")


def test_cache_folder_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINDRCNN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="MINDRCNN_CACHE"):
        fetch_weights("http://127.0.0.1:9/w.pth")


@pytest.mark.parametrize(
    "url",
    [
        *("http://[", "http://[::1", f"http://{'a' * 70}.example/w", "http:///w", "https://a b/w", "http://\udce9/w"),
        *("http://a\0b/w", "http://127.0.0.1:99999/w", "file:///nowhere/w", "http://a..b/w", "http://127.0.0.1:x/w"),
        *("http://127.0.0.1:9/a\nerror: b", "http://127.0.0.1:9/\x1b[2Jw"),
    ],
)
def test_urls_that_lead_nowhere(cache: Path, caplog: pytest.LogCaptureFixture, url: str) -> None:
    caplog.set_level(logging.CRITICAL, "mindrcnn")  # pytest's processes cannot exchange half a surrogate pair
    with pytest.raises(InputError, match=r"weights: wanted|cannot download") as error:
        fetch_weights(url)
    assert str(error.value).isprintable()
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_long_name_is_cut_at_its_beginning(cache: Path, server: str) -> None:
    path = fetch_weights(f"{server}/{'x' * 400}.pth")
    assert path.name.endswith("xxx.pth")
    assert len(path.name) < 120


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/odd-length", "cannot download|SHA-256"),
        ("/to-a-file", "Redirection to url 'file:///etc/passwd' is not allowed"),
        ("/to-ftp", "wanted a redirection to https, got one to 'ftp://127.0.0.1/w'"),
        ("/to-nonsense", "cannot download"),
        ("/drip", "only [0-9]+ bytes came in"),
        ("/drip-header", "only 0 bytes came in"),
        ("/huge", r"wanted a file of at most 16 GB, got one of at least 1000000\.0 GB"),
        ("/endless", "wanted a file of at most"),
        ("/part", "the server sent another part of the file than was wanted"),
        ("/nothing", "the server answered 204, without the file"),
        ("/empty", "wanted a file, got an empty one"),
        ("/absurd", r"wanted a file of at most 16 GB, got one of at least 9223372036\.9 GB"),
    ],
)
def test_servers_that_misbehave(
    cache: Path, server: str, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.setattr(transfer, "WATCHED", 0.5)
    if path == "/endless":
        monkeypatch.setattr(transfer, "LARGEST", 100_000)
    with pytest.raises(InputError, match=message):
        fetch_weights(f"{server}{path}", sha256="0" * 64)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.name != "lock"]
