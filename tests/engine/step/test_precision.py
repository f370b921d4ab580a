"""Float16 convolutions: close to float32, with float32 losses and gradients."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.engine.step.precision import in_float16
from mindrcnn.engine.step.train_step import GradientFunction


class Net(nn.Cell):
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


def run(network: nn.Cell, parameters: object) -> tuple[list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(1)
    images = generator.normal(size=(2, 3, 8, 8)).astype(np.float32)
    boxes = np.float32([[1024.5, 3.25], [700.125, 0.5]])
    losses, gradients = GradientFunction(network=network, parameters=parameters)(  # type: ignore[arg-type]
        Tensor(1.0, ms.float32), Tensor(images), Tensor(boxes)
    )
    return [loss.asnumpy() for loss in losses], [gradient.asnumpy() for gradient in gradients]


def test_close_to_float32_and_of_its_type(mode: str) -> None:
    network = Net()
    parameters = network.trainable_params()
    wanted, wanted_gradients = run(network, parameters)
    losses, gradients = run(in_float16(network), parameters)
    assert {value.dtype for value in (*losses, *gradients)} == {np.dtype(np.float32)}
    assert losses[0] == pytest.approx(wanted[0], rel=1e-4)  # the boxes' own digits are all there
    assert losses[1] == pytest.approx(wanted[1], rel=1e-2)
    assert losses[1] != wanted[1]
    for value, expected in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(value, expected, rtol=0.05, atol=0.02 * np.abs(expected).max())
