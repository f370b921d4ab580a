"""Numbers of parsed JSON, checked before NumPy sees them.

NumPy makes an array of whatever it is given: of one long text among numbers an array of texts of that length, of a
number of 400 digits an array of objects.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

LARGEST = sys.float_info.max
INT64 = -(2**63), 2**63 - 1

_WHOLE = (int, np.integer)
_NUMBERS = (*_WHOLE, float, np.floating)


def is_number(value: object) -> bool:
    """Says whether a value is a number that is finite as a double; true and false are not."""
    return isinstance(value, _NUMBERS) and not isinstance(value, bool) and bool(-LARGEST <= value <= LARGEST)


def is_whole(value: object, low: int = INT64[0], high: int = INT64[1]) -> bool:
    """Says whether a value is a whole number from `low` to `high`; true and false are not."""
    return isinstance(value, _WHOLE) and not isinstance(value, bool) and bool(low <= value <= high)


def whole_column(values: Sequence[Any]) -> npt.NDArray[np.int64] | None:
    """Returns values (n,) int64, true and false as 1 and 0; None if any is something else or does not fit."""
    if not set(map(type, values)) <= {int, bool}:
        return None
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return None


def number_rows(rows: Sequence[Any], width: int) -> npt.NDArray[np.float64] | None:
    """Returns rows (n, width) float64; None unless each is a list of `width` finite numbers."""
    if not set(map(type, rows)) <= {list, tuple} or not set(map(len, rows)) <= {width}:
        return None
    flat = list(chain.from_iterable(rows))
    if not set(map(type, flat)) <= {int, float}:
        return None
    try:
        numbers = np.array(flat, dtype=np.float64)
    except OverflowError:
        return None
    return numbers.reshape(-1, width) if np.isfinite(numbers).all() else None
