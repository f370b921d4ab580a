"""Wording that messages share."""

import pytest

from mindrcnn.messages import shorten


@pytest.mark.parametrize(
    ("names", "expected"),
    [((), ""), (("a",), "a"), (("a", "b", "c"), "a, b, c"), (("a", "b", "c", "d", "e"), "a, b, c and 2 more")],
)
def test_only_the_first_names_are_given(names: tuple[str, ...], expected: str) -> None:
    assert shorten(names, 3) == expected
