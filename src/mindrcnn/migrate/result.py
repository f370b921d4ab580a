"""The result of a migration: our values with the zoo's keys that they come from, and the keys that are left."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Group = Literal["settled", "by_hand", "lost", "unknown"]


@dataclass(frozen=True)
class Origin:
    """A key of the zoo file that a value comes from."""

    name: str
    value: Any
    remark: str


@dataclass
class Entry:
    """A value of our configuration and the keys that it comes from."""

    value: Any
    origins: list[Origin] = field(default_factory=list)


@dataclass(frozen=True)
class Leftover:
    """A key of the zoo file that sets nothing here, and the reason."""

    name: str
    value: Any
    reason: str
    group: Group


@dataclass
class Migration:
    """All of a zoo file: `bases` to start from, `entries` by our keys, `left` in the order of the file."""

    source: str
    bases: list[str]
    entries: dict[str, Entry] = field(default_factory=dict)
    left: list[Leftover] = field(default_factory=list)

    def count(self, group: Group) -> int:
        """Returns the number of leftovers of a group."""
        return sum(item.group == group for item in self.left)
