"""Values and names in messages."""

from collections.abc import Iterable

import pytest

from mindrcnn.messages import SHOWN_CHARACTERS, kind_of, quote_value, shorten


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


@pytest.mark.parametrize("value", [[1, [2.5, None]], {"a": (1,), 2: "x"}, (), [], {}, b"a", True, -7, "it's", (1, 2)])
def test_a_short_value_is_quoted_as_python_writes_it(value: object) -> None:
    assert quote_value(value) == repr(value)


def test_values_without_end_are_quoted() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    shared: list[object] = [1]
    for _ in range(100):
        shared = [shared] * 100
    for value in (nested, shared, {"a": nested}, [0] * 1_000_000, "a" * 1_000_000, 10**400):
        assert len(quote_value(value)) == SHOWN_CHARACTERS
    assert quote_value(1 << 100_000) == "a whole number of 100001 bits"
