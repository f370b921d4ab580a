"""Exchange between processes, here threads with real connections."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mindrcnn.engine.distributed.rendezvous import Gather, open_rendezvous, own_address


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
