"""The moving average of parameters against numpy, and its use in place of them."""

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.engine.step.ema import ParameterAverage, use_averages
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.train_step import TrainStep

DECAY = 0.7


class Net(nn.Cell):
    """A trained layer, a frozen one, and batch norm, whose statistics change too."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Dense(3, 3)
        self.norm = nn.BatchNorm1d(3, momentum=0.5)
        self.dense = nn.Dense(3, 2)
        generator = np.random.default_rng(0)
        for parameter in self.get_parameters():
            parameter.set_data(Tensor(generator.uniform(0.5, 1, size=parameter.shape).astype(np.float32)))
        for parameter in self.frozen.get_parameters():
            parameter.requires_grad = False

    def construct(self, inputs: Tensor) -> tuple[Tensor]:
        output = self.dense(self.norm(self.frozen(inputs)))
        return ((output * output).mean(),)


def build(warmup: float) -> tuple[Net, ParameterAverage, TrainStep]:
    network = Net()
    average = ParameterAverage(network=network, decay=DECAY, warmup=warmup)
    optimizer = build_sgd(
        parameters=network.trainable_params(),
        learning_rates=np.full(9, 0.3, np.float32),
        momentum=0.9,
        nesterov=False,
        weight_decay=0.0,
        decay_norm_and_bias=False,
    )
    return network, average, TrainStep(network=network, optimizer=optimizer, average=average)


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


def averages(average: ParameterAverage) -> dict[str, np.ndarray]:
    return {name: value.asnumpy().copy() for name, value in average.by_name().items()}


@pytest.mark.parametrize(("warmup", "decays"), [(1.0, [0.7, 0.7, 0.7]), (3.0, [2 / 4, 3 / 5, 4 / 6])])
def test_equals_numpy_after_every_step(mode: str, warmup: float, decays: list[float]) -> None:
    network, average, step = build(warmup)
    wanted = arrays(network)
    generator = np.random.default_rng(1)
    for decay in decays:
        step(Tensor(generator.normal(size=(4, 3)).astype(np.float32)))
        for name, value in arrays(network).items():
            wanted[name] = decay * wanted[name] + (1 - decay) * value
    found = averages(average)
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-5, atol=1e-6, err_msg=name)
        changed = not np.allclose(value, arrays(network)[name], rtol=1e-3)
        assert changed == (not name.startswith("frozen")), name
    np.testing.assert_array_equal(found["frozen.weight"], arrays(Net())["frozen.weight"])


def test_averages_are_used_inside_the_block_only_and_training_continues_as_without(mode: str) -> None:
    network, average, step = build(1.0)
    other, _, other_step = build(1.0)
    batch = Tensor(np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32))
    for each in (step, other_step):
        each(batch)
    trained, means = arrays(network), averages(average)
    with use_averages(average):
        for name, value in arrays(network).items():
            np.testing.assert_array_equal(value, means[name], err_msg=name)
    for name, value in arrays(network).items():
        np.testing.assert_array_equal(value, trained[name], err_msg=name)
    for each in (step, other_step):
        each(batch)
    for name, value in arrays(network).items():
        np.testing.assert_array_equal(value, arrays(other)[name], err_msg=name)
    assert not np.array_equal(arrays(network)["dense.weight"], trained["dense.weight"])


def test_without_an_average_nothing_is_replaced() -> None:
    with use_averages(None) as given:
        assert given is None
