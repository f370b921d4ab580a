"""Mixed precision against float32: losses and gradients of a step, and predictions."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn import predictor
from mindrcnn.engine.precision import use_float16
from mindrcnn.engine.step.train_step import GradientFunction


class ConvAndDense(nn.Cell):
    """A convolution, a product and a sum of squares that float16 could not hold."""

    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.conv, self.dense = nn.Conv2d(3, 4, 3), nn.Dense(4, 2)
        for parameter in self.get_parameters():
            parameter.set_data(Tensor(generator.normal(size=parameter.shape).astype(np.float32)))

    def construct(self, images: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.conv(images).mean(axis=(2, 3))
        shift = self.dense(ops.relu(hidden))
        return ((boxes + shift) * 1000.25).sum(), ops.exp(-shift * shift).mean()


def losses_and_gradients(network: nn.Cell, parameters: object) -> tuple[list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(1)
    images = generator.normal(size=(2, 3, 8, 8)).astype(np.float32)
    boxes = np.float32([[1024.5, 3.25], [700.125, 0.5]])
    losses, gradients = GradientFunction(network=network, parameters=parameters)(  # type: ignore[arg-type]
        Tensor(1.0, ms.float32), Tensor(images), Tensor(boxes)
    )
    return [loss.asnumpy() for loss in losses], [gradient.asnumpy() for gradient in gradients]


def test_float16_is_close_to_float32_and_gives_its_type(mode: str) -> None:
    network = ConvAndDense()
    parameters = network.trainable_params()
    wanted, wanted_gradients = losses_and_gradients(network, parameters)
    losses, gradients = losses_and_gradients(use_float16(network), parameters)
    assert {value.dtype for value in (*losses, *gradients)} == {np.dtype(np.float32)}
    assert losses[0] == pytest.approx(wanted[0], rel=1e-4)  # the boxes' own digits are all there
    assert losses[1] == pytest.approx(wanted[1], rel=1e-2)
    assert losses[1] != wanted[1]
    for value, expected in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(value, expected, rtol=0.05, atol=0.02 * np.abs(expected).max())


class Outline(nn.Cell):
    """A stand-in for a detector: a convolution in place of a network, and outputs of predict's types."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.conv.weight.set_data(Tensor(np.random.default_rng(0).normal(size=self.conv.weight.shape), ms.float32))

    def predict(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        boxes = self.conv(images.astype(ms.float32))
        return boxes, image_sizes.astype(ms.float32) + 0.25, image_sizes, image_sizes > 0


def test_predictions_in_float16_have_the_types_of_float32(mode: str) -> None:
    images = np.random.default_rng(1).integers(0, 256, (2, 3, 8, 8), np.uint8)
    image_sizes = np.array([[1023, 0], [4, 5]], np.int32)
    outputs = {
        precision: predictor._build_predict(Outline(), precision)(images, image_sizes)  # type: ignore[arg-type]
        for precision in ("float32", "float16")
    }
    for value, wanted in zip(outputs["float16"], outputs["float32"], strict=True):
        assert value.dtype == wanted.dtype
    boxes, wanted_boxes = outputs["float16"][0], outputs["float32"][0]
    np.testing.assert_allclose(boxes, wanted_boxes, atol=2e-3 * np.abs(wanted_boxes).max())
    assert not np.array_equal(boxes, wanted_boxes)
    for value, wanted in zip(outputs["float16"][1:], outputs["float32"][1:], strict=True):
        np.testing.assert_array_equal(value, wanted)
