"""The optimizer's kernels, called as MindSpore calls them. Their formulas are tested with the optimizer."""

from collections.abc import Callable

import numpy as np
import pytest

SHAPES = ((64, 32, 3, 3), (0, 5), (7,), (300, 300), (1,))  # an empty one, and more than one piece
Arrays = list[np.ndarray]


def arrays(seed: int) -> Arrays:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]


def scalars(*values: float) -> Arrays:
    return [np.array(value, np.float32) for value in values]


def sgd_arguments() -> Arrays:
    """Weights, sums of momentum, gradients, rates, momentum, factor, decays, settings, result."""
    count = len(SHAPES)
    rates = scalars(*np.linspace(0.1, 0.5, count))
    decays, nesterov = np.linspace(0, 0.4, count, dtype=np.float32), np.array([1], np.float32)
    return [
        *arrays(0), *arrays(1), *arrays(2), *rates, *scalars(0.9, 0.5), decays, nesterov, np.full(1, 77, np.float32)
    ]  # fmt: skip


def test_norm_is_that_of_all_gradients_together(kernel: Callable, set_threads: Callable[[int], None]) -> None:
    expected = np.sqrt(sum(np.sum(array.astype(np.float64) ** 2) for array in arrays(0)))
    for threads in (1, 2, 5):
        set_threads(threads)
        result = np.full(1, 77, np.float32)
        assert kernel("gradient_norm", *arrays(0), result) == 0
        assert result == np.float32(expected)


def test_update_does_not_depend_on_threads(kernel: Callable, set_threads: Callable[[int], None]) -> None:
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        changed = sgd_arguments()
        assert kernel("sgd_update", *changed) == 0
        results.append(changed)
    weights = zip(results[0][: len(SHAPES)], arrays(0), strict=True)
    assert all(not np.array_equal(weight, before) for weight, before in weights if before.size)
    for other in results[1:]:
        for array, first in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(array, first)


def test_gradients_of_another_shape_or_kind_are_refused(kernel: Callable) -> None:
    result = np.full(1, 77, np.float32)
    assert kernel("gradient_norm", *arrays(0), result.astype(np.float64)) == 1
    assert kernel("gradient_norm", arrays(0)[0].astype(np.float64), result) == 1


@pytest.mark.parametrize("place", range(4 * len(SHAPES) + 5))
def test_wrong_arguments_of_the_update_are_refused(kernel: Callable, place: int) -> None:
    arguments = sgd_arguments()
    fits = kernel("sgd_update", *arguments) == 0
    assert fits
    arguments[place] = arguments[place].astype(np.float64)
    assert kernel("sgd_update", *arguments) == 1
    del arguments[place]
    assert kernel("sgd_update", *arguments) == 1


def test_a_gradient_of_another_size_is_refused(kernel: Callable) -> None:
    arguments = sgd_arguments()
    arguments[2 * len(SHAPES)] = arguments[2 * len(SHAPES)][:3].copy()
    assert kernel("sgd_update", *arguments) == 1
