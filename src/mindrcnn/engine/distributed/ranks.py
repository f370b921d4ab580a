"""What the processes of one job tell each other between two steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mindrcnn.errors import InputError

T = TypeVar("T")


def _only(value: Any) -> list[Any]:
    return [value]


@dataclass(frozen=True)
class Ranks:
    """The processes of a job, `rank` of `size`; without arguments, a job of this process alone.

    all_gather: a value that can be pickled -> those of all ranks, in rank order. All ranks must call every method but
    `share`, in one order; a RuntimeError says that another has ended.
    """

    rank: int = 0
    size: int = 1
    all_gather: Callable[[Any], list[Any]] = _only

    @property
    def first(self) -> bool:
        """Whether this is the one that writes the files that all share."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part of a list: together the ranks have each item once, in parts that differ by one at most."""
        return items[self.rank :: self.size]

    def mean(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Means over the ranks, the same bits on each."""
        return tuple(sum(column) / self.size for column in zip(*self.all_gather(values), strict=True))

    def merge(self, items: list[T]) -> list[T]:
        """The lists of all ranks as one, on each of them."""
        return [item for part in self.all_gather(items) for item in part]

    def wait(self) -> None:
        """Returns when all ranks have called it."""
        self.all_gather(None)

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
