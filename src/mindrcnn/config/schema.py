"""The schema of the configuration: keys, types, limits and defaults, in words for messages and documentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_SCALAR_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "string"}


@dataclass(frozen=True)
class Key:
    """One configuration key: its name in its section, its annotation, default, limits and meaning."""

    name: str
    hint: Any
    default: Any
    low: float | None
    high: float | None
    doc: str


def keys_of(section: type) -> tuple[Key, ...]:
    """The keys of one dataclass in the order declared."""
    hints = get_type_hints(section)
    return tuple(
        Key(
            name=item.name,
            hint=hints[item.name],
            default=_default(item),
            low=item.metadata.get("low"),
            high=item.metadata.get("high"),
            doc=item.metadata.get("doc", ""),
        )
        for item in fields(section)
    )


def all_keys(section: type, prefix: str = "") -> Iterator[tuple[str, Key]]:
    """Every key of a dataclass and of those inside it, as (dotted name, key), each section after its own keys."""
    nested = []
    for key in keys_of(section):
        dotted = f"{prefix}{key.name}"
        yield dotted, key
        nested += [(member, f"{dotted}.") for member in sections_of(key.hint)]
    for member, inner in nested:
        yield from all_keys(member, inner)


def sections_of(hint: Any) -> tuple[type, ...]:
    """The dataclasses that a key of this annotation can hold, or a list in it: none, one, or those of a union."""
    members = get_args(hint) if is_union(hint) or get_origin(hint) is tuple else (hint,)
    return tuple(member for member in members if isinstance(member, type) and is_dataclass(member))


def is_union(hint: Any) -> bool:
    """Whether the annotation is `A | B`."""
    return get_origin(hint) in (Union, UnionType)


def tagged_members(hint: Any) -> dict[str, type]:
    """The dataclasses of a union by the value of their `type: Literal[...]` field."""
    return {tag: member for member in sections_of(hint) for tag in get_args(get_type_hints(member)["type"])}


def accepts_null(hint: Any) -> bool:
    """Whether null is a value of this annotation."""
    return is_union(hint) and NoneType in get_args(hint)


def describe_type(hint: Any) -> str:
    """The annotation in words: `whole number`, `one of rgb, bgr`, `list of 2 numbers`."""
    if hint in _SCALAR_NAMES:
        return _SCALAR_NAMES[hint]
    if get_origin(hint) is Literal:
        return f"one of {', '.join(str(choice) for choice in get_args(hint))}"
    if get_origin(hint) is tuple:
        return _describe_tuple(get_args(hint))
    if is_union(hint):
        tagged = f"mapping with type: {' or '.join(tagged_members(hint))}"
        return f"null or {tagged}" if accepts_null(hint) else tagged
    return "mapping"


def describe_limits(low: float | None, high: float | None) -> str:
    """Inclusive limits in words; empty without any."""
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return "" if high is None else f"at most {high:g}"


def _describe_tuple(items: tuple[Any, ...]) -> str:
    if get_origin(items[0]) is Literal:
        return f"list of any of {', '.join(get_args(items[0]))}"
    kind = describe_type(items[0])
    plural = kind.replace("list of", "lists of", 1) if kind.startswith("list") else f"{kind}s"
    return f"list of {plural}" if items[1:] == (Ellipsis,) else f"list of {len(items)} {plural}"


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default
