"""The depthwise convolution against loops in numpy: values and gradients."""

from collections.abc import Callable

import numpy as np
import pytest

from mindrcnn.ops.depthwise import depthwise3x3

EVERY_PIXEL = (1, (1, 1, 1, 1))  # stride and padding
HALVING = (2, (1, 1, 1, 1))
HALVING_AS_TENSORFLOW = (2, (0, 1, 0, 1))
FORMS = {"stride 1": EVERY_PIXEL, "stride 2": HALVING, "TensorFlow's": HALVING_AS_TENSORFLOW}
# images, channels, height, width
SHAPES = {
    "even sides": (2, 5, 8, 12),
    "odd sides": (3, 4, 7, 13),
    "narrow": (1, 3, 9, 2),
    "wider than a vector": (2, 2, 33, 70),
}


def function(form: str) -> Callable:
    """A convolution of x and weight."""
    stride, padding = FORMS[form]

    def every_pixel(x, weight):  # type: ignore[no-untyped-def]
        return depthwise3x3(x, weight, stride=stride, padding=padding)

    return every_pixel


def windows(form: str, padded: np.ndarray) -> list[tuple[int, int, tuple]]:
    """For each weight its row and column, and which pixels of the padded maps it meets."""
    stride, _ = FORMS[form]
    height, width = ((side - 3) // stride + 1 for side in padded.shape[2:])
    return [
        (row, column, np.s_[:, :, row : row + stride * height : stride, column : column + stride * width : stride])
        for row in range(3)
        for column in range(3)
    ]


def padded_maps(form: str, x: np.ndarray) -> np.ndarray:
    _, (top, bottom, left, right) = FORMS[form]
    return np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))


def reference(form: str, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The definition, one weight after the other; float64."""
    padded = padded_maps(form, x)
    return sum(weight[None, :, 0, row, column, None, None] * padded[met] for row, column, met in windows(form, padded))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients(shape: str, form: str, run: Callable, gradients: Callable, implementation: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=SHAPES[shape]).astype(np.float32)
    weight = rng.normal(size=(x.shape[1], 1, 3, 3)).astype(np.float32)
    wanted = reference(form, x, weight)
    np.testing.assert_allclose(run(function(form), x, weight), wanted, atol=1e-4)

    sens = rng.normal(size=wanted.shape).astype(np.float32)
    padded = padded_maps(form, x)
    to_padded, to_weight = np.zeros_like(padded), np.zeros(weight.shape)
    for row, column, met in windows(form, padded):
        to_weight[:, 0, row, column] = (sens * padded[met]).sum(axis=(0, 2, 3))
        to_padded[met] += weight[None, :, 0, row, column, None, None] * sens
    _, (top, _, left, _) = FORMS[form]
    to_x = to_padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    got = gradients(function(form), sens, x, weight)
    np.testing.assert_allclose(got[0], to_x, atol=1e-4)
    np.testing.assert_allclose(got[1], to_weight, atol=1e-3)
