"""The stem of a ResNet against loops in numpy."""

from collections.abc import Callable

import numpy as np
import pytest

from mindrcnn.ops.stem import frozen_stem


def reference(images: np.ndarray, weight: np.ndarray, bias: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Convolution, ReLU and pooling by their definitions; float64."""
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (3, 3), (3, 3)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(2, 3))[:, :, ::2, ::2]
    folded = weight.astype(np.float64) * scale[:, None, None, None]
    out = np.maximum(np.einsum("kcyx,nchwyx->nkhw", folded, windows) + bias[None, :, None, None], 0)
    out = np.pad(out, ((0, 0), (0, 0), (1, 0), (1, 0)))
    return np.lib.stride_tricks.sliding_window_view(out, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))


def stem(images, weight, bias, scale):  # type: ignore[no-untyped-def]
    return frozen_stem(images, weight, bias, scale=scale)


# One window, several strips of rows with rows left over, several panels of columns, channels without a kernel.
@pytest.mark.parametrize("shape", [(2, 8, 4, 4), (1, 16, 76, 12), (1, 64, 8, 132), (1, 6, 12, 20)])
def test_stem(shape: tuple[int, int, int, int], run: Callable, implementation: str) -> None:
    images, channels, height, width = shape
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=(images, 3, height, width)).astype(np.float32)
    weight = (rng.normal(size=(channels, 3, 7, 7)) / 12).astype(np.float32)
    bias, scale = (rng.uniform(-1, 2, channels).astype(np.float32) for _ in range(2))
    got = run(stem, x, weight, bias, scale)
    assert got.shape == (images, channels, height // 4, width // 4)
    np.testing.assert_allclose(got, reference(x, weight, bias, scale), atol=2e-5)
