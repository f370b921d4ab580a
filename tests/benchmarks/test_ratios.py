"""Medians and ratios of made-up timings."""

import pytest
from benchmarks.ratios import Ratio, ratio, spread


def test_ratio_is_the_median_over_turns_not_the_ratio_of_medians() -> None:
    # In the second turn the machine was three times as slow, for both.
    assert ratio([1.0, 3.0, 1.2], [2.0, 6.0, 2.0]) == Ratio(median=0.5, low=0.5, high=0.6)


def test_ratio_of_an_even_number_of_turns() -> None:
    assert ratio([1.0, 2.0], [2.0, 2.0]).median == pytest.approx(0.75)


def test_ratio_wants_as_many_turns_of_both() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0], [1.0, 2.0])


def test_spread_is_half_the_span_over_the_median() -> None:
    assert spread([2.0, 1.0, 4.0]) == pytest.approx(0.75)
    assert spread([1.0]) == 0
