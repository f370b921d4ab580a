"""The HTTP server on the loopback interface, with a stand-in for the model: answers, batches, limits, bad uploads."""

import io
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindrcnn.config.loader import parse_config
from mindrcnn.errors import InputError
from mindrcnn.exported import runtime
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.serving.limits import Limits

pytest.importorskip("uvicorn", reason="needs the packages of requirements-dev.txt: uvicorn")
pytest.importorskip("fastapi", reason="needs the packages of requirements-dev.txt: fastapi")

from mindrcnn.tasks.serving import server as serving
from mindrcnn.tasks.serving.app import make_app

CLIENTS = 64
CONFIG = "data: {buckets: [[32, 64], [64, 32]], short_side: 32}"
Answer = tuple[int, dict[str, str], Any]
Send = Callable[..., Answer]


class GreyReader:
    """Sees one object, class b, in each image; its score tells the grey of the image's first pixel.

    gate: calls wait for it.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.shapes: list[tuple[int, ...]] = []
        self.failure: Exception | None = None

    def __call__(self, images: NDArray[np.uint8], image_sizes: NDArray[np.int32]) -> tuple[NDArray[Any], ...]:
        self.shapes.append(images.shape)
        self.entered.set()
        assert self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        count = len(images)
        boxes = np.tile(np.array([[0, 0, 16, 16]], np.float32), (count, 1, 1))
        scores = images[:, :1, 0, 0] / np.float32(255)
        labels = np.full((count, 1), 2, np.int32)
        return boxes, scores, labels, labels > 0, np.ones((count, 1, 28, 28), np.float32), scores


@pytest.fixture
def model() -> GreyReader:
    return GreyReader()


@contextmanager
def running(model: GreyReader, limits: Limits) -> Iterator[tuple[Send, Any]]:
    detector = Detector(
        predict=model, config=parse_config(CONFIG, "test"), classes=("a", "b"), category_ids=(5, 90), compiles=False
    )
    app = make_app(detector, limits, default_score=0.0)
    listener = serving.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = serving.make_server(app, limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()

    def send(method: str = "POST", path: str = "/predict", body: Any = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            return response.status, dict(response.headers), json.loads(response.read())
        finally:
            connection.close()

    send.port = port  # type: ignore[attr-defined]
    try:
        yield send, server
    finally:
        model.gate.set()
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
        assert not [one for one in threading.enumerate() if one.name == "batcher"]


@pytest.fixture
def send(model: GreyReader) -> Iterator[Send]:
    with running(model, Limits(requests=CLIENTS, bytes=5000, upload_seconds=0.5)) as (sender, _):
        yield sender


def png(grey: int, height: int = 32, width: int = 64) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), grey, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_every_client_gets_its_own_answer_and_waiting_images_share_batches(send: Send, model: GreyReader) -> None:
    model.gate.clear()
    pictures = [png(number, *((32, 64) if number % 3 else (64, 32))) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = [clients.submit(send, body=picture) for picture in pictures]
        deadline = time.monotonic() + 30
        while send("GET", "/health")[2]["requests"] < CLIENTS and time.monotonic() < deadline:
            time.sleep(0.02)
        model.gate.set()
        found = [answer.result() for answer in answers]
    assert [status for status, _, _ in found] == [200] * CLIENTS
    for number, (_, _, document) in enumerate(found):
        (one,) = document["predictions"]
        assert round(one["score"] * 255) == number
        assert one["class"] == {"label": 2, "category_id": 90, "name": "b"}
        assert (document["height"], document["width"]) == ((32, 64) if number % 3 else (64, 32))
        assert one["mask"]["size"] == [document["height"], document["width"]]
    assert sum(shape[0] for shape in model.shapes) == CLIENTS
    assert max(shape[0] for shape in model.shapes) == 8
    assert len(model.shapes) < CLIENTS / 2


def test_the_lowest_score(send: Send) -> None:
    assert len(send(body=png(200))[2]["predictions"]) == 1
    assert send(path="/predict?score=0.9", body=png(200))[2]["predictions"] == []


def test_what_the_model_is(send: Send) -> None:
    status, _, facts = send("GET", "/model")
    assert status == 200
    assert (facts["classes"], facts["category_ids"], facts["batch_size"]) == (["a", "b"], [5, 90], 8)


def huge_header() -> bytes:
    """A PNG of 10,000 x 10,000 pixels in a few bytes."""
    file = bytearray(png(0))
    file[16:24] = (10_000).to_bytes(4, "big") * 2
    file[29:33] = zlib.crc32(bytes(file[12:29])).to_bytes(4, "big")
    return bytes(file)


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"body": b""}, 400, "wanted the file's content as the body of the request, got nothing"),
        ({"body": b"no picture"}, 400, "image: wanted an image"),
        ({"body": png(0)[:60]}, 400, "image: wanted a readable image"),
        ({"body": huge_header()}, 400, "wanted an image of up to 64 million pixels"),
        ({"headers": {"Content-Length": "5001"}}, 413, "wanted a file of at most 5000 bytes, got more"),
        ({"headers": {"Content-Length": "100"}}, 408, "image: wanted all of it within 0.5 seconds"),
        ({"body": iter([b"x" * 4000, b"x" * 4000])}, 413, "wanted a file of at most 5000 bytes, got more"),
        (
            {"body": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            415,
            "image: wanted the file's content as the body (curl --data-binary @photo.jpg), got a form",
        ),
        ({"path": "/predict?score=2", "body": png(0)}, 400, "score: "),
        ({"path": "/predict?score=nan", "body": png(0)}, 400, "score: "),
        ({"path": "/elsewhere", "body": png(0)}, 404, "Not Found"),
        ({"method": "GET"}, 405, "Method Not Allowed"),
    ],
)
def test_bad_requests(send: Send, model: GreyReader, request_: dict[str, Any], status: int, message: str) -> None:
    headers = request_.pop("headers", {})
    answer = send(**request_, **headers)
    assert answer[0] == status
    assert list(answer[2]) == ["error"]
    assert message in answer[2]["error"]
    assert not model.shapes
    assert send("GET", "/health")[2] == {"status": "ok", "requests": 0}


def test_a_client_that_leaves_costs_nothing(send: Send, model: GreyReader) -> None:
    with socket.create_connection(("127.0.0.1", send.port)) as client:  # type: ignore[attr-defined]
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    deadline = time.monotonic() + 10
    while send("GET", "/health")[2]["requests"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert send(body=png(10))[0] == 200
    assert len(model.shapes) == 1


@pytest.mark.parametrize("begun", [b"", b"POST /predict HTTP/1.1\r\nHost: "])
def test_a_client_that_asks_for_nothing_is_let_go(send: Send, begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", send.port), timeout=20) as client:  # type: ignore[attr-defined]
        client.sendall(begun)
        assert client.recv(1) == b""
        assert send("GET", "/health")[0] == 200


def test_more_requests_than_allowed_are_refused_at_once(model: GreyReader) -> None:
    model.gate.clear()
    with running(model, Limits(requests=2)) as (send, _), ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(send, body=png(number)) for number in (1, 2)]
        deadline = time.monotonic() + 10
        while send("GET", "/health")[2]["requests"] < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        status, headers, document = send(body=png(3))
        assert (status, headers["retry-after"]) == (503, "1")
        assert document == {"error": "wanted fewer than 2 requests at a time; try again later"}
        model.gate.set()
        assert [answer.result()[0] for answer in answers] == [200, 200]
        assert send(body=png(3))[0] == 200


def test_a_failure_of_the_model_is_answered_and_does_not_last(send: Send, model: GreyReader) -> None:
    model.failure = ValueError("secret")
    status, _, document = send(body=png(1))
    assert (status, document) == (500, {"error": "the server failed; its log says why"})
    model.failure = None
    assert send(body=png(1))[0] == 200


def test_requests_that_have_begun_are_answered_when_the_server_stops(model: GreyReader) -> None:
    model.gate.clear()
    with running(model, Limits()) as (send, server), ThreadPoolExecutor(1) as client:
        answer = client.submit(send, body=png(7))
        assert model.entered.wait(10)
        server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(ConnectionError):
            send(body=png(8))
        model.gate.set()
        assert answer.result()[0] == 200


def test_an_address_that_is_taken() -> None:
    with serving.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"--host, --port: wanted an address .*, got 127.0.0.1:{port}: Address"):
            serving.listen("127.0.0.1", port)


def test_every_bucket_is_warmed_up(model: GreyReader) -> None:
    detector = Detector(predict=model, config=parse_config(CONFIG, "test"), classes=("a", "b"), category_ids=(5, 90))
    serving.warm_up(detector, 4)
    assert model.shapes == [(4, 3, 32, 64), (4, 3, 64, 32)]


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(runtime, "import_module", absent)
    with pytest.raises(InputError, match=r"serve: wanted the package uvicorn, got none: .*'mindrcnn\[serve\]'"):
        serving.serve(
            None,  # type: ignore[arg-type]
            [],
            host="127.0.0.1",
            port=0,
            limits=Limits(),
            batch=None,
            score=0.5,
        )
