"""Values and names in messages."""

from collections.abc import Iterable

import pytest

from mindrcnn.messages import kind_of, quote_value, shorten


@pytest.mark.parametrize(
    ("value", "words"),
    [({}, "an object"), ([1], "a list"), ("a", "a string"), (None, "null"), (7, "7"), (True, "True")],
)
def test_kinds_in_words(value: object, words: str) -> None:
    assert kind_of(value) == words


def test_a_long_value_is_cut() -> None:
    assert quote_value("a" * 78) == repr("a" * 78)
    cut = quote_value("a" * 79)
    assert (len(cut), cut[-4:]) == (80, "a...")


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ""), (("a",), "a"), (iter([1, 2, 3]), "1, 2, 3"), (("a", "b", "c", "d", "e"), "a, b, c and 2 more")],
)
def test_only_the_first_names_are_given(names: Iterable[object], expected: str) -> None:
    assert shorten(names, 3) == expected
