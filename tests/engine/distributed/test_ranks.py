"""Data exchange and barriers between ranks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError, LostRank


class Group:
    """Threads in the place of processes: each collective waits for all of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=10)
        self.values: list[Any] = [None] * size

    def ranks(self, rank: int) -> Ranks:
        def all_gather(value: Any) -> list[Any]:
            self.values[rank] = value
            self.barrier.wait()
            gathered = list(self.values)
            self.barrier.wait()
            return gathered

        return Ranks(rank=rank, size=self.size, all_gather=all_gather)

    def run(self, action: Callable[[Ranks], Any]) -> list[Any]:
        """What `action` returns on each rank."""
        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(action, map(self.ranks, range(self.size))))


def test_alone() -> None:
    ranks = Ranks()
    assert ranks.first
    assert ranks.mean((1.0, 2.0)) == (1.0, 2.0)
    assert list(ranks.share("abc")) == ["a", "b", "c"]
    assert ranks.merge([1, 2]) == [1, 2]
    assert ranks.from_first(lambda: "made") == "made"
    ranks.wait()


def test_each_says_when_it_has_finished(capsys: pytest.CaptureFixture[str]) -> None:
    Ranks().finish()
    assert not capsys.readouterr().out
    Group(2).run(Ranks.finish)
    assert sorted(capsys.readouterr().out.splitlines()) == ["finished: rank 0 of 2", "finished: rank 1 of 2"]


@pytest.mark.parametrize("size", [2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 5, 7, 24])
def test_every_item_is_in_one_share(size: int, count: int) -> None:
    items = list(range(count))
    shares = [Ranks(rank=rank, size=size).share(items) for rank in range(size)]
    assert sorted(item for share in shares for item in share) == items
    assert {len(share) - count // size for share in shares} <= {0, 1}


def test_means_merges_and_what_the_first_makes() -> None:
    group = Group(3)
    assert group.run(lambda ranks: ranks.mean((float(ranks.rank), 6.0))) == [(1.0, 6.0)] * 3
    assert group.run(lambda ranks: ranks.merge([ranks.rank] * ranks.rank)) == [[1, 2, 2]] * 3
    assert group.run(lambda ranks: ranks.from_first(lambda: f"of rank {ranks.rank}")) == ["of rank 0"] * 3


def test_all_ranks_see_what_is_wrong_with_the_first() -> None:
    def refused(ranks: Ranks) -> str:
        def make() -> None:
            raise InputError(f"on rank {ranks.rank}")

        with pytest.raises(InputError) as error:
            ranks.from_first(make)
        return str(error.value)

    assert Group(2).run(refused) == ["on rank 0"] * 2


@pytest.mark.parametrize("name", ["name:Default/AllReduce-op0", "Default/network-Step/AllReduce-op7"])
def test_an_exchange_that_fails_while_all_ranks_live_is_of_a_rank_that_hangs(name: str) -> None:
    error = RuntimeError(f"Launch kernel failed, {name}\n\n- C++ Call Stack")
    with pytest.raises(LostRank, match="another rank has not come to an exchange in time"), Ranks().together():
        raise error
    with pytest.raises(RuntimeError, match="Conv2D"), Ranks().together():
        raise RuntimeError("Launch kernel failed, name:Default/Conv2D-op0")
