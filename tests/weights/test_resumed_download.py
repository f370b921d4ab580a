"""Downloads that break off, and several processes and proxies on the way, against a server on this machine."""

import hashlib
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mindrcnn.errors import InputError
from mindrcnn.weights import download
from mindrcnn.weights.download import fetch_backbone, fetch_weights

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT, but breaks off after `cut` bytes in the first `cuts` responses."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut, self.cuts = 300_000, 0
        self.tag: str | None = '"one"'
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []  # path, and the Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        start = 0
        if wanted and self.server.ranges and self.headers.get("If-Range") == self.server.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        if self.server.tag is not None:
            self.send_header("ETag", self.server.tag)
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.server.cuts -= 1
        rest = CONTENT[start:]
        self.wfile.write(rest[: self.server.cut] if self.server.cuts >= 0 else rest)

    def log_message(self, *arguments: object) -> None:
        """Keeps the test output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    instance = Server()
    thread = threading.Thread(target=instance.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield instance
    instance.shutdown()
    instance.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINDRCNN_CACHE", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def parts(cache: Path) -> list[str]:
    return sorted(path.name.split("-", 1)[-1] for path in cache.iterdir() if path.name != "lock")


def test_a_broken_download_is_resumed_in_the_same_call(server: Server, cache: Path) -> None:
    server.cuts = 2
    assert fetch_weights(f"{server.url}/w.pth", sha256=SHA256).read_bytes() == CONTENT
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=600000-"]
    assert parts(cache) == ["w.pth"]


def test_a_broken_download_is_resumed_by_the_next_call(server: Server, cache: Path) -> None:
    server.cuts, server.cut = 99, 1000
    with pytest.raises(InputError, match=r"closed after 5000 of 1024000 bytes\. Offline, .* put it there as .*-w\.pth"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    assert parts(cache) == ["w.pth.part", "w.pth.part.tag"]
    server.cuts = 0
    assert fetch_weights(f"{server.url}/w.pth", sha256=SHA256).read_bytes() == CONTENT
    assert server.asked[-1] == ("/w.pth", "bytes=5000-")
    assert parts(cache) == ["w.pth"]


@pytest.mark.parametrize("change", ["tag", "ranges"])
def test_another_version_is_fetched_from_the_start(server: Server, cache: Path, change: str) -> None:
    server.cuts, server.cut = download.ATTEMPTS, 1000
    with pytest.raises(InputError, match="closed after"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    setattr(server, change, {"tag": '"two"', "ranges": False}[change])
    assert fetch_weights(f"{server.url}/w.pth", sha256=SHA256).read_bytes() == CONTENT


def test_a_part_that_is_as_long_as_the_file_is_fetched_again(server: Server, cache: Path) -> None:
    server.cuts, server.cut = download.ATTEMPTS, 1000
    with pytest.raises(InputError, match="closed after"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    (part,) = cache.glob("*.part")
    part.write_bytes(bytes(len(CONTENT)))
    assert fetch_weights(f"{server.url}/w.pth", sha256=SHA256).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_tag_nothing_is_kept(server: Server, cache: Path, tag: str | None) -> None:
    server.cuts, server.tag = 1, tag
    with pytest.raises(InputError, match="closed after"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    assert parts(cache) == []
    assert len(server.asked) == 1


def test_a_part_of_other_content_is_noticed_and_removed(server: Server, cache: Path) -> None:
    server.cuts, server.cut = download.ATTEMPTS, 1000
    with pytest.raises(InputError, match="closed after"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    (part,) = cache.glob("*.part")
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(InputError, match="wanted SHA-256"):
        fetch_weights(f"{server.url}/w.pth", sha256=SHA256)
    assert parts(cache) == []
    assert fetch_weights(f"{server.url}/w.pth", sha256=SHA256).read_bytes() == CONTENT


def test_a_file_put_in_its_place_by_hand_is_used(server: Server, cache: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetch_weights("http://127.0.0.1:9/w.pth", sha256=SHA256)
    place = str(caught.value).split("put it there as ")[1].split(", or give")[0]
    Path(place).write_bytes(CONTENT)
    assert str(fetch_weights("http://127.0.0.1:9/w.pth", sha256=SHA256)) == place


def test_several_processes_download_once(server: Server, cache: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch_weights, args=(f"{server.url}/w.pth",)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert server.asked == [("/w.pth", None)]


def test_a_proxy_of_the_environment_is_asked(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy")
    assert fetch_weights("http://weights.example/w.pth", sha256=SHA256).read_bytes() == CONTENT
    assert server.asked == [("http://weights.example/w.pth", None)]


Publish = Callable[..., None]


@pytest.fixture
def publish(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publish:
    """Puts a row `torchvision/mine` with other fields into the table."""

    def add(**fields: object) -> None:
        rows = "".join(f"    {key}: {value}\n" for key, value in fields.items())
        table = tmp_path / f"models{len(list(tmp_path.iterdir()))}.yaml"
        table.write_text(f"models:\n  torchvision/mine:\n    url: {server.url}/w.pth\n    read: here\n{rows}")
        monkeypatch.setenv("MINDRCNN_MODELS", str(table))

    return add


@pytest.mark.parametrize("digest", [f"sha256:{SHA256[:8]}", f"md5:{hashlib.md5(CONTENT).hexdigest()[:6]}"])
def test_a_published_name_has_its_address_and_digest(server: Server, publish: Publish, digest: str) -> None:
    publish(kind="backbone", digest=digest)
    assert fetch_backbone("torchvision/mine").read_bytes() == CONTENT
    assert fetch_backbone("torchvision/mine", sha256=SHA256).read_bytes() == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("digest", "message"), [("sha256:00000000", "wanted SHA-256 0"), ("md5:000000", "wanted MD5 0")]
)
def test_another_file_under_a_published_name(publish: Publish, cache: Path, digest: str, message: str) -> None:
    publish(kind="backbone", digest=digest)
    with pytest.raises(InputError, match=message):
        fetch_weights("torchvision/mine")
    assert parts(cache) == []


def test_a_detector_is_no_backbone(publish: Publish) -> None:
    publish()
    with pytest.raises(
        InputError, match=r"wanted a backbone, got the detector torchvision/mine.*nearest: torchvision/r"
    ):
        fetch_backbone("torchvision/mine")


@pytest.mark.parametrize(
    ("name", "message"),
    [("torchvision/resnet50_v3", "nearest: torchvision/resnet50_v2"), ("resnet50", "wanted an exis")],
)
def test_mistyped_names(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fetch_backbone(name)


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: {torchvision/mine: {url: a, read: b, box_ap: x}}", "torchvision/mine: wanted numbers"),
        ("models: {torchvision/mine: {url: a, read: b, kind: c}}", "torchvision/mine: wanted numbers"),
        ("models: {torchvision/mine: {url: a, mine: b}}", "torchvision/mine: wanted url, read"),
        ("models: {mine: {url: a, read: b}}", "models.mine: wanted LIBRARY/MODEL"),
        ("models: [1]", "wanted models, a mapping"),
        ("models: {/etc: {url: a, read: b}}", "models./etc: wanted LIBRARY/MODEL"),
        ("models: {../mine: {url: a, read: b}}", "models.../mine: wanted LIBRARY/MODEL"),
        ("models: {torchvision/mine: 1}", "torchvision/mine: wanted LIBRARY/MODEL"),
        ("models: {torchvision/mine: {url: a, read: [b]}}", "torchvision/mine: wanted texts"),
        ("models: {torchvision/mine: {url: a, read: b, overrides: 1}}", "torchvision/mine: wanted texts"),
        ("models: {torchvision/mine: {url: a, read: b, size_mb: .nan}}", "torchvision/mine: wanted numbers"),
        ("models: {torchvision/mine: {url: a, read: b}}\nlibraries: [1]", "libraries: wanted a mapping"),
        ("models: {torchvision/mine: {url: a, read: b}}\nlibraries: {torchvision: x}", "libraries: wanted a mapping"),
        (f"models: {{torchvision/mine: {{url: a, read: b, size_mb: {'9' * 5000}}}}}", "not valid YAML"),
        (BOMB, "not valid YAML: wanted up to 20000 values"),
        ("[", "not valid YAML"),
        (None, "no such table of models"),
    ],
)
def test_tables_that_are_none(text: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        (tmp_path / "table.yaml").write_text(text)
    monkeypatch.setenv("MINDRCNN_MODELS", str(tmp_path / "table.yaml"))
    with pytest.raises(InputError, match=message):
        fetch_weights("torchvision/mine")
