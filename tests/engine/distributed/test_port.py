"""The port of a job: waiting until its scheduler listens."""

import socket
import threading
import time

import pytest

from mindrcnn.engine.distributed.port import wait_for_scheduler
from mindrcnn.errors import InputError


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_scheduler_that_listens_later_is_waited_for() -> None:
    port = free_port()
    heard: list[float] = []

    def listen() -> None:
        time.sleep(0.3)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.accept()
            heard.append(time.monotonic())

    thread = threading.Thread(target=listen)
    thread.start()
    wait_for_scheduler("127.0.0.1", str(port), seconds=20)
    thread.join()
    assert heard


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_a_scheduler_that_never_listens_is_named(host: str) -> None:
    port = free_port()
    with pytest.raises(InputError, match=f"wanted MindSpore's scheduler at {host} port {port} within 0 s, got: "):
        wait_for_scheduler(host, port, seconds=0.2)
