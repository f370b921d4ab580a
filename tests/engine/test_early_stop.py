"""Patience."""

import pytest

from mindrcnn.engine.early_stop import EarlyStop, evaluations_since_best


def test_due_after_so_many_in_a_row() -> None:
    stop = EarlyStop(patience=2)
    due = []
    for better in (False, True, False, False):
        stop.record_evaluation(better=better)
        due.append(stop.due)
    assert due == [False, False, False, True]


def test_no_patience_is_endless_patience() -> None:
    stop = EarlyStop(patience=0, stale=100)
    stop.record_evaluation(better=False)
    assert not stop.due


@pytest.mark.parametrize(
    ("values", "expected"),
    [((), 0), ((0.1,), 0), ((0.1, 0.3, 0.2), 1), ((0.3, 0.3, 0.3), 2), ((float("-inf"), float("-inf")), 1)],
)
def test_evaluations_since_best(values: tuple[float, ...], expected: int) -> None:
    assert evaluations_since_best(values) == expected
