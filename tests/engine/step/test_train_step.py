"""The train step against a numpy implementation of the same network and optimizer."""

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.engine.step.gradients import global_norm
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.param_groups import freeze, trainable_parameters
from mindrcnn.engine.step.train_step import CLIP_EPSILON, TrainStep

RATES = np.array([0.05, 0.1, 0.02], np.float32)
MOMENTUM, DECAY = 0.9, 0.01


class TwoLayer(nn.Cell):
    """Mean square error and a penalty on the hidden layer, as two losses."""

    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.first = nn.Dense(3, 4)
        self.second = nn.Dense(4, 2)
        for parameter in self.get_parameters():
            parameter.set_data(Tensor(generator.normal(size=parameter.shape).astype(np.float32)))

    def construct(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        hidden = ops.relu(self.first(inputs))
        error = self.second(hidden) - targets
        return (error * error).mean(), 0.1 * hidden.mean()


Values = dict[str, np.ndarray]


def numpy_losses_and_gradients(values: Values, inputs: np.ndarray, targets: np.ndarray) -> tuple[list[float], Values]:
    hidden = np.maximum(inputs @ values["first.weight"].T + values["first.bias"], 0)
    error = hidden @ values["second.weight"].T + values["second.bias"] - targets
    losses = [float((error**2).mean()), 0.1 * float(hidden.mean())]
    d_output = 2 * error / error.size
    d_hidden = (d_output @ values["second.weight"] + 0.1 / hidden.size) * (hidden > 0)
    gradients = {
        "first.weight": d_hidden.T @ inputs,
        "first.bias": d_hidden.sum(axis=0),
        "second.weight": d_output.T @ hidden,
        "second.bias": d_output.sum(axis=0),
    }
    return losses, gradients


def numpy_update(values: Values, velocity: Values, gradients: Values, rate: float, clip_norm: float) -> float:
    """Clips as torch does, then SGD with decay on weights; changes values and velocity; returns the norm."""
    norm = float(np.sqrt(sum((gradient**2).sum() for gradient in gradients.values())))
    factor = min(1.0, clip_norm / (norm + CLIP_EPSILON)) if clip_norm else 1.0
    for name, gradient in gradients.items():
        decayed = gradient * factor + (DECAY * values[name] if name.endswith("weight") else 0)
        velocity[name] = MOMENTUM * velocity[name] + decayed
        values[name] = values[name] - rate * velocity[name]
    return norm


def build_step(network: nn.Cell, clip_norm: float) -> TrainStep:
    optimizer = build_sgd(
        parameters=trainable_parameters(network),
        learning_rates=RATES,
        momentum=MOMENTUM,
        nesterov=False,
        weight_decay=DECAY,
        decay_norm_and_bias=False,
    )
    return TrainStep(network=network, optimizer=optimizer, clip_norm=clip_norm)


def numpy_values(network: nn.Cell) -> Values:
    return {parameter.name: parameter.asnumpy().astype(np.float64) for parameter in network.get_parameters()}


@pytest.mark.parametrize("clip_norm", [0.0, 1.5])  # the norms of the three steps lie on both sides of 1.5
def test_equals_numpy(mode: str, clip_norm: float) -> None:
    generator = np.random.default_rng(1)
    network = TwoLayer()
    expected = numpy_values(network)
    velocity = {name: np.zeros_like(value) for name, value in expected.items()}
    step = build_step(network, clip_norm)
    norms = []
    for rate in RATES:
        inputs, targets = (generator.normal(size=(5, width)).astype(np.float32) for width in (3, 2))
        losses, norm = step(Tensor(inputs), Tensor(targets))
        wanted_losses, gradients = numpy_losses_and_gradients(expected, inputs, targets)
        norms.append(numpy_update(expected, velocity, gradients, rate, clip_norm))
        np.testing.assert_allclose([loss.asnumpy() for loss in losses], wanted_losses, rtol=1e-4)
        assert float(norm.asnumpy()) == pytest.approx(norms[-1], rel=1e-4)
    assert min(norms) < 1.5 < max(norms)
    for name, value in numpy_values(network).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_frozen_parameters_stay_and_names_stay(mode: str) -> None:
    network = TwoLayer()
    freeze(network, ("first",))
    before = numpy_values(network)
    step = build_step(network, clip_norm=0.0)
    step(Tensor(np.ones((2, 3), np.float32)), Tensor(np.zeros((2, 2), np.float32)))
    after = numpy_values(network)
    assert list(after) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert changed == ["second.weight", "second.bias"]


def test_norm_of_millions_of_elements_is_exact() -> None:
    """Adding up in float32 one by one would be 0.5 % off here."""
    generator = np.random.default_rng(0)
    gradients = [generator.normal(size=shape).astype(np.float32) * 1e-3 for shape in ((512, 8192), (64, 3, 3, 3), (7,))]
    expected = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))
    assert float(global_norm(tuple(map(Tensor, gradients))).asnumpy()) == pytest.approx(expected, rel=1e-5)
