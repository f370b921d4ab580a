"""Values and lists of names as error messages show them."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN_CHARACTERS = 80  # of one value; enough to find it in its file

_KINDS = {dict: "an object", list: "a list", str: "a string", type(None): "null"}


def kind_of(value: object) -> str:
    """The kind of a JSON value in words, `an object` or `a list`; a number or truth value as it is."""
    return _KINDS.get(type(value), repr(value))


def shown(value: object) -> str:
    """The value as Python writes it, cut after SHOWN_CHARACTERS."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def shortened(names: Iterable[object], limit: int) -> str:
    """The first `limit` names, separated by commas, and dots where there are more."""
    listed = [str(name) for name in names]
    return ", ".join(listed[:limit]) + (", ..." if len(listed) > limit else "")
