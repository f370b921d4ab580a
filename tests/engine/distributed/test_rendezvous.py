"""Exchange between processes, here threads with real connections."""

import json
import os
import pickle
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from mindrcnn.engine.distributed import rendezvous
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.distributed.rendezvous import Gather, open_rendezvous, own_address
from mindrcnn.errors import InputError, LostRank


def run(size: int, action: Callable[[int, Gather], Any]) -> list[Any]:
    """What `action` returns on each rank, all connected; the first tells its address over a list they share."""
    told: list[Any] = []
    ready = threading.Event()

    def share(value: Any) -> list[Any]:
        if value is not None:
            told.append(value)
            ready.set()
        assert ready.wait(10)
        return told

    def of_rank(rank: int) -> Any:
        return action(rank, open_rendezvous(rank, size, share))

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(of_rank, range(size)))


@pytest.fixture(autouse=True)
def _on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MS_SCHED_HOST", "127.0.0.1")


@pytest.mark.parametrize("size", [2, 5])
def test_values_of_all_in_the_order_of_ranks(size: int) -> None:
    def action(rank: int, gather: Gather) -> list[list[Any]]:
        return [gather(f"rank {rank}"), gather(rank * 1000 * "x"), gather(None)]

    wanted = [[f"rank {rank}" for rank in range(size)], ["x" * 1000 * rank for rank in range(size)], [None] * size]
    assert run(size, action) == [wanted] * size


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_one_that_ends_is_noticed_by_the_others(leaver: int) -> None:
    def action(rank: int, gather: Gather) -> str:
        gather(rank)
        if rank == leaver:
            return "left"
        try:
            gather(rank)
        except RuntimeError as error:
            return str(error)
        return "did not notice"

    outcomes = run(3, action)
    assert outcomes[leaver] == "left"
    assert outcomes[0 if leaver else 1] == f"rank {leaver} has left the job"
    assert all("has left the job" in outcomes[rank] for rank in range(3) if rank != leaver)


def test_the_first_is_beside_the_scheduler() -> None:
    assert own_address({"MS_SCHED_HOST": "10.0.0.1"}) == "10.0.0.1"
    assert own_address({}).count(".") == 3


class Trap:
    """An object whose unpickling leaves a trace."""

    unpickled = False

    def __reduce__(self) -> Any:
        return setattr, (Trap, "unpickled", True)


def strangers(address: tuple[str, int]) -> list[socket.socket]:
    """Connections of others: silent, closed at once, rubbish, an HTTP request, a pickle, and a rank of another job."""
    silent, closed, *talking = [socket.create_connection(address) for _ in range(6)]
    closed.close()
    number = (1).to_bytes(4, "little")
    for connection, said in zip(
        talking,
        (os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n", pickle.dumps(Trap()), number + bytes(64)),
        strict=True,
    ):
        connection.sendall(said)
    return [silent, *talking]


def test_strangers_neither_hang_nor_end_the_job() -> None:
    kept: list[socket.socket] = []
    told: list[bytes] = []
    ready = threading.Event()

    def share_of(rank: int) -> Any:
        def share(text: bytes | None) -> list[Any]:
            if text is not None:
                host, port, _ = json.loads(text)
                for _ in range(10):
                    kept.extend(strangers((host, port)))
                told.append(text)
                ready.set()
            assert ready.wait(10)
            return told

        return share

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda rank: open_rendezvous(rank, 3, share_of(rank))(rank), range(3)))
    assert found == [[0, 1, 2]] * 3
    assert not Trap.unpickled
    for connection in kept:
        connection.close()


def test_ranks_that_do_not_come_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "JOIN_SECONDS", 0.3)
    with pytest.raises(InputError, match=r"within 0 s, got nothing from rank 1, 2; is that address closed"):
        open_rendezvous(0, 3, lambda text: [text])


def test_a_first_rank_that_does_not_know_the_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "JOIN_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()

        def pretend() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(bytes(64))

        threading.Thread(target=pretend, daemon=True).start()
        with pytest.raises(InputError, match=r"rank 1: wanted a connection to rank 0 .* does not know the key"):
            open_rendezvous(1, 2, lambda text: [json.dumps([*address, "00" * 32]).encode()])


def test_a_first_rank_that_cannot_be_reached_is_named_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def pass_time(seconds: float) -> None:
        clock[0] += seconds

    def refuse_late(_: object, timeout: float) -> None:
        pass_time(timeout if clock[0] else 100.0)
        raise TimeoutError("timed out")

    monkeypatch.setattr(rendezvous.socket, "create_connection", refuse_late)
    monkeypatch.setattr(rendezvous.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(rendezvous.time, "sleep", pass_time)
    with pytest.raises(InputError, match=r"rank 1: wanted a connection .* port 80, got none: timed"):
        open_rendezvous(1, 2, lambda text: [json.dumps(["192.0.2.1", 80, "00" * 32]).encode()])
    assert rendezvous.JOIN_SECONDS <= clock[0] <= rendezvous.JOIN_SECONDS + 2


@pytest.mark.parametrize("address", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MS_SCHED_HOST", address)
    with pytest.raises(InputError, match=f"MS_SCHED_HOST: wanted an address of rank 0's machine, .*{address}"):
        open_rendezvous(0, 2, lambda text: [text])


def test_a_failure_because_of_a_rank_that_left_says_so() -> None:
    def action(rank: int, gather: Any) -> str:
        ranks = Ranks(rank=rank, size=2, all_gather=gather, find_lost=gather.find_lost)
        gather(rank)
        if rank == 1:
            return "left"
        try:
            with ranks.together():
                raise RuntimeError("AllReduce failed")
        except LostRank as error:
            return str(error)

    assert run(2, action) == ["rank 1 has left the job", "left"]
    with pytest.raises(RuntimeError, match="AllReduce"), Ranks().together():
        raise RuntimeError("AllReduce failed")


def test_what_differs_between_ranks_is_named_on_all() -> None:
    def action(rank: int, gather: Gather) -> str:
        ranks = Ranks(rank=rank, size=3, all_gather=gather)
        ranks.require_same("software", {"mindspore": "2.8.0"})
        try:
            ranks.require_same("configuration", {"train.seed": str(rank // 2), "name": "run"})
        except InputError as error:
            return str(error)
        return "nothing"

    assert run(3, action) == ["ranks 0 and 2: wanted the same configuration, got train.seed: '0' and '1'"] * 3
