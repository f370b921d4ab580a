"""Normalisation of pixels against a loop over every pixel."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.detector import PixelNormalizer

MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)
SIZES = np.array([[4, 6], [3, 2]], np.int32)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_equals_a_loop(mode: str, dtype: type) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6)).astype(dtype)
    wanted = np.zeros(images.shape, np.float32)
    for image, channel, row, column in np.ndindex(*images.shape):
        if row < SIZES[image, 0] and column < SIZES[image, 1]:
            wanted[image, channel, row, column] = (images[image, channel, row, column] - MEAN[channel]) / STD[channel]
    pixels = PixelNormalizer(mean=MEAN, std=STD)(Tensor(images), Tensor(SIZES)).asnumpy()
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, wanted, rtol=1e-6, atol=1e-6)
    assert not pixels[1, :, 3:].any()  # exactly zero, not -mean / std
    assert not pixels[1, :, :, 2:].any()


def test_has_no_parameters() -> None:
    assert PixelNormalizer(mean=MEAN, std=STD).parameters_dict() == {}
