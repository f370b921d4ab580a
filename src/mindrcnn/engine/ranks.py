"""What the processes of one job tell each other between two steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mindrcnn.errors import InputError

T = TypeVar("T")


def _itself(values: tuple[float, ...]) -> tuple[float, ...]:
    return values


def _only(value: Any) -> list[Any]:
    return [value]


@dataclass(frozen=True)
class Ranks:
    """The processes of a job, `rank` of `size`; without arguments, a job of this process alone.

    all_sum: numbers, as many on each rank -> their sums over the ranks, in float32. all_gather: a value that can be
    pickled -> those of all ranks, in rank order. Every method but `share` must be called by all ranks, in one order.
    """

    rank: int = 0
    size: int = 1
    all_sum: Callable[[tuple[float, ...]], tuple[float, ...]] = _itself
    all_gather: Callable[[Any], list[Any]] = _only

    @property
    def first(self) -> bool:
        """Whether this is the one that writes the files that all share."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part of a list: together the ranks have each item once, in parts that differ by one at most."""
        return items[self.rank :: self.size]

    def mean(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Means over the ranks."""
        return tuple(value / self.size for value in self.all_sum(values))

    def merge(self, items: list[T]) -> list[T]:
        """The lists of all ranks as one, on each of them."""
        return [item for part in self.all_gather(items) for item in part]

    def wait(self) -> None:
        """Returns when all ranks have called it."""
        self.all_sum((0.0,))

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` returns on rank 0, on all ranks. Its InputError is raised on all of them too."""
        made = self.all_gather(_outcome(make) if self.first else None)[0]
        if isinstance(made, InputError):
            raise made
        return made


def _outcome(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except InputError as error:
        return error


def in_step(items: Iterable[T], *, rounds: int, wait: Callable[[], None]) -> Iterator[T]:
    """Passes items on and waits for the other ranks after each of the first `rounds`, a number that all ranks have.

    On a CPU a collective fails when one rank comes half a minute later than another: so none gets far ahead.
    """
    for done, item in enumerate(items, start=1):
        yield item
        if done <= rounds:
            wait()
