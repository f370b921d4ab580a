"""Values and lists of names as error messages show them."""

from collections.abc import Iterable, Iterator

SHOWN_CHARACTERS = 80  # of one value; enough to find it in its file
LONG_NUMBER = 10_000  # bits; Python writes numbers of up to 4,300 digits, which have more

_KINDS = {dict: "an object", list: "a list", str: "a string", type(None): "null"}


def kind_of(value: object) -> str:
    """Returns the kind of a JSON value in words, `an object` or `a list`; a number or truth value as it is."""
    return _KINDS.get(type(value)) or quote_value(value)


def quote_value(value: object) -> str:
    """Returns the value as Python writes it, cut at SHOWN_CHARACTERS.

    What is not shown is not looked at: the value may be large, or nested deeper than `repr` can follow.
    """
    text = ""
    for piece in _written(value):
        text += piece
        if len(text) > SHOWN_CHARACTERS:
            return f"{text[: SHOWN_CHARACTERS - 3]}..."
    return text


def _written(value: object) -> Iterator[str]:
    """Yields `repr(value)` piece by piece."""
    if isinstance(value, dict):
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _written(key)
            yield ": "
            yield from _written(item)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "[" if isinstance(value, list) else "("
        for number, item in enumerate(value):
            yield ", " if number else ""
            yield from _written(item)
        yield "]" if isinstance(value, list) else ",)" if len(value) == 1 else ")"
    elif isinstance(value, str | bytes):
        yield repr(value[: 2 * SHOWN_CHARACTERS])
    elif isinstance(value, int) and value.bit_length() > LONG_NUMBER:
        yield f"a whole number of {value.bit_length()} bits"
    else:
        yield repr(value)


def shorten(names: Iterable[object], limit: int = 6) -> str:
    """Returns the first `limit` names and how many more there are: "a, b, c and 4 more"."""
    listed = [str(name) for name in names]
    rest = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {rest} more" if rest > 0 else "")
