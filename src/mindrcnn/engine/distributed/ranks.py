"""Values that the processes of one job exchange between two steps."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from mindrcnn.engine.distributed.environment import FINISHED
from mindrcnn.errors import InputError, LostRank
from mindrcnn.messages import quote_value, shorten

T = TypeVar("T")
# MindSpore's messages: of its own exchange, PyNative's or a graph's, and of shared_memory.py's
_EXCHANGE = re.compile(r"Launch kernel failed\W+\S*AllReduce|average_over_processes\) is 2")


def _gather_alone(value: Any) -> list[Any]:
    return [value]


def _lose_none() -> int | None:
    return None


@dataclass(frozen=True)
class Ranks:
    """The processes of a job, seen from rank `rank` of `size`; without arguments, a job of this process alone.

    all_gather: takes a value that can be pickled and returns those of all ranks, in rank order. All ranks must call all
    methods but `share`, in the same order; LostRank means that another process has ended.
    find_lost: returns a rank that has ended, or ends within seconds; None if there is none.
    """

    rank: int = 0
    size: int = 1
    all_gather: Callable[[Any], list[Any]] = _gather_alone
    find_lost: Callable[[], int | None] = _lose_none

    @property
    def first(self) -> bool:
        """Whether this is the process that writes the shared files."""
        return self.rank == 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Turns the failure of an operation in the block into LostRank where it failed because of another rank.

        That rank has ended, or has not come to an exchange of MindSpore in time, as a frozen process.
        """
        try:
            yield
        except LostRank:
            raise
        except RuntimeError as error:
            lost = self.find_lost()
            if lost is not None:
                raise LostRank(f"rank {lost} has left the job") from error
            if _EXCHANGE.search(str(error)) is None:
                raise
            raise LostRank(
                "another rank has not come to an exchange in time: it hangs, or cannot be reached"
            ) from error

    def require_same(self, what: str, values: Mapping[str, str]) -> None:
        """Raises InputError on all ranks, with the names of the values that differ, unless all have the same.

        what: what the values describe, for the message.
        """
        first, *others = self.all_gather(dict(values))
        for rank, other in enumerate(others, start=1):
            names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
            if names:
                listed = (f"{name}: {_shown(first, name)} and {_shown(other, name)}" for name in names)
                raise InputError(f"ranks 0 and {rank}: wanted the same {what}, got {shorten(listed)}")

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Returns this rank's part of a list; the parts cover each item once, and their sizes differ by at most one."""
        return items[self.rank :: self.size]

    def mean(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Returns the means over the ranks, bit-identical on each."""
        return tuple(sum(column) / self.size for column in zip(*self.all_gather(values), strict=True))

    def merge(self, items: list[T]) -> list[T]:
        """Returns the lists of all ranks as one list, on each of them."""
        return [item for part in self.all_gather(items) for item in part]

    def wait(self) -> None:
        """Returns when all ranks have called it."""
        self.all_gather(None)

    def finish(self) -> None:
        """Tells the launcher that this program is done, and returns when all ranks are: none leaves a busy one."""
        if self.size > 1:
            sys.stdout.write(f"{FINISHED}: rank {self.rank} of {self.size}\n")
            sys.stdout.flush()
        self.wait()

    def from_first(self, make: Callable[[], T]) -> T:
        """Calls `make` on rank 0 and returns its result on all ranks, or raises its InputError on all of them."""
        made, *_ = self.all_gather(_outcome(make) if self.first else None)
        if isinstance(made, InputError):
            raise made
        return made


def _shown(values: Mapping[str, str], name: str) -> str:
    return quote_value(values[name]) if name in values else "none"


def _outcome(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except InputError as error:
        return error
