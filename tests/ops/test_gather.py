"""Batched selection of rows and classes, and its gradient."""

import numpy as np
import pytest

from mindrcnn.ops.gather import take_class, take_rows

INDEX = np.array([[3, 0, 3, 3], [1, 2, 0, 1]], np.int32)  # with repeats


@pytest.mark.parametrize("tail", [(), (4,), (2, 3)])
def test_take_rows_and_gradient(run, gradients, tail) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 5, *tail)).astype(np.float32)
    sens = rng.normal(size=(2, 4, *tail)).astype(np.float32)
    expected_gradient = np.zeros_like(values)
    taken = run(take_rows, values, INDEX)
    assert taken.shape == (2, 4, *tail)
    for image in range(2):
        for slot, row in enumerate(INDEX[image]):
            np.testing.assert_array_equal(taken[image, slot], values[image, row])
            expected_gradient[image, row] += sens[image, slot]
    np.testing.assert_allclose(gradients(take_rows, sens, values, INDEX)[0], expected_gradient, atol=1e-6)


def test_integers_and_booleans_keep_their_type(run) -> None:
    labels = np.arange(10, dtype=np.int32).reshape(2, 5)
    taken = run(take_rows, labels, INDEX)
    assert taken.dtype == np.int32
    np.testing.assert_array_equal(taken, [[3, 0, 3, 3], [6, 7, 5, 6]])
    np.testing.assert_array_equal(run(take_rows, labels == 6, INDEX), taken == 6)


@pytest.mark.parametrize("tail", [(), (4,), (3, 3)])
def test_take_class_and_gradient(run, gradients, tail) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 3, *tail)).astype(np.float32)
    sens = rng.normal(size=(5, *tail)).astype(np.float32)
    labels = np.array([2, 1, 3, 0, 3], np.int32)  # 0, the background, reads class 1
    expected_gradient = np.zeros_like(values)
    taken = run(take_class, values, labels)
    assert taken.shape == (5, *tail)
    for row, label in enumerate(labels):
        np.testing.assert_array_equal(taken[row], values[row, max(label - 1, 0)])
        expected_gradient[row, max(label - 1, 0)] = sens[row]
    np.testing.assert_array_equal(gradients(take_class, sens, values, labels)[0], expected_gradient)
