"""Enlarged maps against numpy, values and gradients."""

from collections.abc import Callable

import numpy as np
import pytest

from mindrcnn.ops.upsample import add_upsampled


@pytest.mark.parametrize("coarse_shape", [(2, 3, 4, 3), (1, 2, 1, 1)])
def test_values_and_gradients(
    coarse_shape: tuple[int, ...], run: Callable, gradients: Callable, implementation: str
) -> None:
    """A coarse pixel's gradient is the sum over its four fine ones, the fine map's is passed through."""
    rng = np.random.default_rng(2)
    batch, channels, height, width = coarse_shape
    coarse = rng.normal(size=coarse_shape).astype(np.float32)
    fine, sens = (rng.normal(size=(batch, channels, 2 * height, 2 * width)).astype(np.float32) for _ in range(2))
    wanted = fine + coarse.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(run(add_upsampled, fine, coarse), wanted)
    to_fine, to_coarse = gradients(add_upsampled, sens, fine, coarse)
    np.testing.assert_array_equal(to_fine, sens)
    wanted = sum(sens[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1))
    np.testing.assert_allclose(to_coarse, wanted, rtol=1e-6, atol=1e-6)
