"""Batch norm with the activation after it against numpy, in float64."""

import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from mindrcnn.ops.batch_norm import Activation, batch_norm

EPS = 1e-3
SHAPE = (3, 4, 31, 45)  # planes of more than one piece, and of an odd rest
CHANNELS = SHAPE[1]


class Layer(nn.Cell):
    """Batch norm with parameters of its own."""

    def __init__(self, *, activation: Activation, training: bool) -> None:
        super().__init__()
        rng = np.random.default_rng(5)
        self.gamma, self.beta, self.moving_mean, self.moving_variance = (
            Parameter(Tensor(rng.uniform(0.5, 4, CHANNELS).astype(np.float32)), name=name)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        self.activation: Activation = activation
        self.set_train(training)

    def construct(self, x: Tensor) -> Tensor:
        return batch_norm(
            x,
            self.gamma,
            self.beta,
            self.moving_mean,
            self.moving_variance,
            training=self.training,
            eps=EPS,
            activation=self.activation,
        )


class Gradients(nn.Cell):
    """The gradients of x, gamma and beta from that of the output."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.gradient = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)
        self.parameters = (layer.gamma, layer.beta)

    def construct(self, x: Tensor, sens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_inputs, of_parameters = self.gradient(self.layer, self.parameters)(x, sens)
        return of_inputs[0], of_parameters[0], of_parameters[1]


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Returns an input whose channels differ, and a gradient of the output."""
    rng = np.random.default_rng(1)
    offsets = np.array([-200, 0, 3, 50], np.float32).reshape(1, CHANNELS, 1, 1)
    x = rng.standard_normal(SHAPE).astype(np.float32) * 3 + offsets
    return x, rng.standard_normal(SHAPE).astype(np.float32)


def column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64).reshape(1, -1, 1, 1)


def cut(values: np.ndarray, activation: Activation) -> np.ndarray:
    return {"none": values, "relu": np.maximum(values, 0), "relu6": np.clip(values, 0, 6)}[activation]


@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
def test_training_equals_numpy(mode: str, operators: None, activation: Activation) -> None:
    x, sens = arrays()
    layer = Layer(activation=activation, training=True)
    gamma, beta, mean_before, variance_before = (p.asnumpy().astype(np.float64) for p in layer.get_parameters())
    y = layer(Tensor(x)).asnumpy()

    wide = x.astype(np.float64)
    mean, variance = wide.mean((0, 2, 3)), wide.var((0, 2, 3))
    centred = (wide - column(mean)) / np.sqrt(column(variance) + EPS)
    normalized = column(gamma) * centred + column(beta)
    np.testing.assert_allclose(y, cut(normalized, activation), atol=1e-4)
    np.testing.assert_allclose(layer.moving_mean.asnumpy(), 0.9 * mean_before + 0.1 * mean, rtol=1e-5)
    unbiased = wide.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.moving_variance.asnumpy(), 0.9 * variance_before + 0.1 * unbiased, rtol=2e-6)

    passes = cut(normalized, activation) == normalized
    gradient = np.where(passes, sens, 0).astype(np.float64)
    to_gamma, to_beta = (gradient * centred).sum((0, 2, 3)), gradient.sum((0, 2, 3))
    count = x.size / CHANNELS
    to_x = column(gamma / np.sqrt(variance + EPS)) * (gradient - column(to_beta) / count
                                                     - centred * column(to_gamma) / count)  # fmt: skip
    found = Gradients(Layer(activation=activation, training=True))(Tensor(x), Tensor(sens))
    near_limit = np.isclose(normalized, 0, atol=1e-3) | np.isclose(normalized, 6, atol=1e-3)
    np.testing.assert_allclose(found[0].asnumpy()[~near_limit], to_x[~near_limit], atol=2e-3)
    np.testing.assert_allclose(found[1].asnumpy(), to_gamma, rtol=1e-3, atol=0.05)
    np.testing.assert_allclose(found[2].asnumpy(), to_beta, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("activation", ["none", "relu", "relu6"])
def test_inference_uses_the_moving_statistics_and_keeps_them(operators: None, activation: Activation) -> None:
    x, _ = arrays()
    layer = Layer(activation=activation, training=False)
    gamma, beta, mean, variance = (column(parameter.asnumpy()) for parameter in layer.get_parameters())
    y = layer(Tensor(x)).asnumpy()
    expected = gamma * (x - mean) / np.sqrt(variance + EPS) + beta
    np.testing.assert_allclose(y, cut(expected, activation), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(layer.moving_mean.asnumpy(), mean.ravel().astype(np.float32))
