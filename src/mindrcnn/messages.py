"""Values and lists of names as error messages show them."""

from collections.abc import Iterable

SHOWN_CHARACTERS = 80  # of one value; enough to find it in its file

_KINDS = {dict: "an object", list: "a list", str: "a string", type(None): "null"}


def kind_of(value: object) -> str:
    """Returns the kind of a JSON value in words, `an object` or `a list`; a number or truth value as it is."""
    return _KINDS.get(type(value), repr(value))


def quote_value(value: object) -> str:
    """Returns the value as Python writes it, cut at SHOWN_CHARACTERS."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def shorten(names: Iterable[object], limit: int = 6) -> str:
    """Returns the first `limit` names and how many more there are: "a, b, c and 4 more"."""
    listed = [str(name) for name in names]
    rest = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {rest} more" if rest > 0 else "")
