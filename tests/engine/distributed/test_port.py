"""The port of a job: waiting until its scheduler listens."""

import socket
import threading
import time

import pytest

from mindrcnn.engine.distributed import port as module
from mindrcnn.engine.distributed.port import require_free_port, wait_for_scheduler
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


@pytest.mark.parametrize("port", ["70000", "-1", "http", "", "9" * 30])
def test_a_port_that_there_cannot_be_is_named(port: str) -> None:
    with pytest.raises(InputError, match=f"MS_SCHED_PORT: wanted a port from 0 to 65535, got {port}$"):
        wait_for_scheduler("127.0.0.1", port, seconds=0.2)
    with pytest.raises(InputError, match=f"--master-port: wanted a port from 0 to 65535, got {port}$"):
        require_free_port("127.0.0.1", port, "--master-port")


def test_an_address_that_swallows_packets_is_named_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def swallow(_: object, timeout: float) -> None:
        clock[0] += timeout
        raise TimeoutError("timed out")

    monkeypatch.setattr(module.socket, "create_connection", swallow)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    with pytest.raises(InputError, match="within 13 s, got: timed out"):
        wait_for_scheduler("192.0.2.1", 80, seconds=13)
    assert 12 < clock[0] <= 13
