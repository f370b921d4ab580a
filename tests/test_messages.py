"""Values and names in messages."""

import pytest

from mindrcnn.messages import kind_of, shortened, shown


@pytest.mark.parametrize(
    ("value", "words"),
    [({}, "an object"), ([1], "a list"), ("a", "a string"), (None, "null"), (7, "7"), (True, "True")],
)
def test_kinds_in_words(value: object, words: str) -> None:
    assert kind_of(value) == words


def test_a_long_value_is_cut() -> None:
    assert shown("a" * 78) == repr("a" * 78)
    cut = shown("a" * 79)
    assert (len(cut), cut[-4:]) == (80, "a...")


def test_names_up_to_the_limit() -> None:
    assert shortened(["a", "b"], 2) == "a, b"
    assert shortened(iter([1, 2, 3]), 2) == "1, 2, ..."
    assert shortened([], 2) == ""
