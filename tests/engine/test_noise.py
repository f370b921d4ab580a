"""Sampler noise."""

import numpy as np

from mindrcnn.engine.noise import uniform_noise

SHAPES = ((2, 5000), (2, 300))


def test_shape_type_range_and_spread() -> None:
    first, second = uniform_noise(SHAPES, seed=3, step=7)
    assert (first.shape, second.shape) == SHAPES
    assert first.dtype == second.dtype == np.float32
    assert first.min() >= 0
    assert first.max() < 1
    assert abs(first.mean() - 0.5) < 0.02
    assert len(np.unique(first)) > 9000


def test_a_function_of_seed_and_step_alone() -> None:
    first = uniform_noise(SHAPES, seed=3, step=7)
    uniform_noise(SHAPES, seed=3, step=8)
    again = uniform_noise(SHAPES, seed=3, step=7)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for seed, step in ((3, 8), (4, 7), (7, 3)):
        other = uniform_noise(SHAPES, seed=seed, step=step)
        assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_two_arrays_differ() -> None:
    first, second = uniform_noise(((2, 300), (2, 300)), seed=0, step=0)
    assert not np.array_equal(first, second)
