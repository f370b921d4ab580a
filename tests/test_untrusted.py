"""JSON and numbers of unknown origin."""

import numpy as np
import pytest

from mindrcnn.errors import InputError
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_number, is_whole, number_rows, whole_column


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested without end"),
        ('{"a":' * 100_000, "nested without end"),
        ("9" * 5000, "at most 4300 digits"),
        (b"\xff", "UTF-8, got other bytes at offset 0"),
        ("[1,\n}", "error at line 2"),
        ("", "error at line 1"),
    ],
)
def test_other_text_is_an_error(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"x\.json: wanted JSON.*{message}"):
        parse_json(text, "x.json")


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "x.json") == {"a": 1}


@pytest.mark.parametrize("value", [True, None, "1", [], float("nan"), float("inf"), 10**400, -(10**400)])
def test_no_numbers(value: object) -> None:
    assert not is_number(value)
    assert not is_whole(value)


@pytest.mark.parametrize("value", [0, -3, 2**63 - 1, np.int64(5)])
def test_numbers(value: object) -> None:
    assert is_number(value)
    assert is_whole(value)


def test_a_float_is_no_whole_number() -> None:
    assert is_number(1.5)
    assert not is_whole(1.0)
    assert not is_whole(5, 6)


@pytest.mark.parametrize("values", [[1, "x" * 100_000], [1, 2**63], [[1]], [1.0], [None]])
def test_no_column(values: list[object]) -> None:
    assert whole_column(values) is None


def test_columns_and_rows() -> None:
    assert whole_column([1, True, -2]).tolist() == [1, 1, -2]  # type: ignore[union-attr]
    assert whole_column([]).shape == (0,)  # type: ignore[union-attr]
    assert number_rows([[1, 2.5]], 2).tolist() == [[1, 2.5]]  # type: ignore[union-attr]
    assert number_rows([], 4).shape == (0, 4)  # type: ignore[union-attr]


@pytest.mark.parametrize("rows", [[[1]], [[1, "2"]], [[1, True]], ["12"], [5], [[1, 10**400]], [[1, float("nan")]]])
def test_no_rows(rows: list[object]) -> None:
    assert number_rows(rows, 2) is None
