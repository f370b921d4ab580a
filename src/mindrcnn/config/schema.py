"""The schema of the configuration: how keys are declared, and their types, limits and defaults in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_SCALAR_NAMES = {bool: "true or false", int: "whole number", float: "number", str: "string"}


def key(
    default: Any = MISSING,
    doc: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    tag: str = "type",
    registered: Mapping[str, Any] | None = None,
) -> Any:
    """Declares a configuration key.

    default: the default value, or a function that makes it.
    doc: its meaning, a sentence.
    low: inclusive lower limit on a number, or on each number of a list.
    high: inclusive upper limit, likewise.
    tag: in a section that comes in several types, the key that says which type it is.
    registered: additions of other packages by name. A string key takes only these names; a section takes the dataclass
        `config` of each as another type.
    """
    metadata = {"doc": doc, "low": low, "high": high, "tag": tag, "registered": registered}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def require(condition: bool, name: str, wanted: str, got: object) -> None:
    """Raises ValueError for an impossible combination of keys; the loader adds the place where `name` was written."""
    if not condition:
        raise ValueError(f"{name}: wanted {wanted}, got {got!r}")


@dataclass(frozen=True)
class Key:
    """One configuration key: its name in its section, its annotation, default, limits and meaning.

    `tag` is the key inside a section that says which type it is; `is_open` says that other packages can add types.
    """

    name: str
    hint: Any
    default: Any
    low: float | None
    high: float | None
    doc: str
    tag: str
    is_open: bool


def keys_of(section: type) -> tuple[Key, ...]:
    """Returns the keys of one dataclass in the order declared, with what other packages have added so far."""
    hints = get_type_hints(section)
    return tuple(
        Key(
            name=item.name,
            hint=_widened(hints[item.name], item.metadata.get("registered")),
            default=_default(item),
            low=item.metadata.get("low"),
            high=item.metadata.get("high"),
            doc=item.metadata.get("doc", ""),
            tag=item.metadata.get("tag", "type"),
            is_open=item.metadata.get("registered") is not None,
        )
        for item in fields(section)
    )


def _widened(hint: Any, registered: Mapping[str, Any] | None) -> Any:
    if registered is None:
        return hint
    if hint is str:
        return Literal[tuple(registered)]
    for entry in registered.values():
        hint = hint | entry.config
    return hint


def all_keys(section: type, prefix: str = "") -> Iterator[tuple[str, Key]]:
    """Yields (dotted name, key) for each key of a dataclass and of those inside it, each section after its own keys."""
    nested = []
    for item in keys_of(section):
        dotted = f"{prefix}{item.name}"
        yield dotted, item
        nested += [(member, f"{dotted}.") for member in sections_of(item.hint)]
    for member, inner in nested:
        yield from all_keys(member, inner)


def sections_of(hint: Any) -> tuple[type, ...]:
    """Returns the dataclasses that a key of this annotation, or an item of its list, can hold."""
    members = get_args(hint) if is_union(hint) or get_origin(hint) is tuple else (hint,)
    return tuple(member for member in members if isinstance(member, type) and is_dataclass(member))


def is_union(hint: Any) -> bool:
    """Returns whether the annotation is `A | B`."""
    return get_origin(hint) in (Union, UnionType)


def tagged_members(hint: Any, tag: str = "type") -> dict[str, type]:
    """Returns the dataclasses that a key can hold, by the values of their field `tag: Literal[...]`."""
    members: dict[str, type] = {}
    for member in sections_of(hint):
        for name in get_args(get_type_hints(member)[tag]):
            if name in members:
                raise ValueError(
                    f"{tag} {name}: wanted one configuration class, got {members[name].__name__} and {member.__name__}"
                )
            members[name] = member
    return members


def accepts_null(hint: Any) -> bool:
    """Returns whether null is a value of this annotation."""
    return is_union(hint) and NoneType in get_args(hint)


def describe_type(hint: Any) -> str:
    """Returns the annotation in words: `whole number`, `one of rgb, bgr`, `list of 2 numbers`."""
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
    """Returns inclusive limits in words; empty without any."""
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
