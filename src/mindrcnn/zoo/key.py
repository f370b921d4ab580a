"""One key of the MindSpore model zoo's configurations: its counterpart here, and how a value is converted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Values = Mapping[str, Any]  # all values of a file by dotted key
Convert = Callable[[Any, Values], dict[str, Any]]
Fate = Literal["carried", "settled", "by_hand"]


@dataclass(frozen=True)
class ZooKey:
    """A row of the table.

    name: dotted key of the zoo.
    fate: `carried` into our configuration by `convert`; `settled`, because it is derived or always so here; `by_hand`,
        because it names a file or belongs on a command line. A value that cannot be had here has no counterpart.
    ours: our keys, the first of which an error message names.
    remark: what differs.
    convert: returns values by our keys, none where there is nothing to set. Raises ValueError with the reason for a
        value that cannot be had here.
    """

    name: str
    fate: Fate
    ours: tuple[str, ...]
    remark: str
    convert: Convert


def carried(name: str, ours: str, remark: str = "", *, via: Convert | None = None) -> ZooKey:
    """Returns a row whose value becomes that of our keys, names between spaces; without `via` as it stands."""
    keys = tuple(ours.split())
    return ZooKey(name, "carried", keys, remark, via or (lambda value, values: {keys[0]: value}))


def settled(name: str, remark: str, ours: str = "") -> ZooKey:
    """Returns a row that needs no key here, whatever its value."""
    return ZooKey(name, "settled", tuple(ours.split()), remark, lambda value, values: {})


def always(name: str, constant: Any, remark: str) -> ZooKey:
    """Returns a row whose value is `constant` here; others cannot be had."""

    def check(value: Any, values: Values) -> dict[str, Any]:
        if _plain(value) != _plain(constant):
            raise ValueError(f"here it is always {constant}")
        return {}

    return ZooKey(name, "settled", (), remark, check)


def off(name: str, remark: str) -> ZooKey:
    """Returns a row that is settled where it is switched off or empty, and lost otherwise."""

    def check(value: Any, values: Values) -> dict[str, Any]:
        if value:
            raise ValueError(remark)
        return {}

    return ZooKey(name, "settled", (), remark, check)


def by_hand(name: str, remark: str, ours: str = "") -> ZooKey:
    """Returns a row that the user has to give elsewhere; an empty value is settled."""
    return ZooKey(name, "by_hand", tuple(ours.split()), remark, lambda value, values: {})


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
