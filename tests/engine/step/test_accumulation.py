"""Several batches a step, and steps that are skipped."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.engine.step.accumulation import AccumulatingStep, BatchGroup, GroupedFeed, GroupedLoader
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.engine.step.loss_scale import LossScale, LossScaler, NoLossScale
from mindrcnn.engine.step.optimizer import build_sgd
from mindrcnn.engine.step.train_step import TrainStep

RATES = np.array([0.1, 0.2, 0.05, 0.3], np.float32)
CLIP = 0.5


class Net(nn.Cell):
    """Two losses, both means over the rows of the batch."""

    def __init__(self) -> None:
        super().__init__()
        generator = np.random.default_rng(0)
        self.first, self.second = nn.Dense(3, 4), nn.Dense(4, 2)
        for parameter in self.get_parameters():
            parameter.set_data(Tensor(generator.normal(size=parameter.shape).astype(np.float32)))

    def construct(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        hidden = ops.relu(self.first(inputs))
        output = self.second(hidden)
        return (output * output).mean(), 0.1 * hidden.mean()


def optimizer_of(network: nn.Cell) -> nn.Optimizer:
    return build_sgd(
        parameters=network.trainable_params(),
        learning_rates=RATES,
        momentum=0.9,
        nesterov=False,
        weight_decay=0.01,
        decay_norm_and_bias=False,
    )


def accumulating(network: nn.Cell, loss_scale: LossScale, **parts: Any) -> AccumulatingStep:
    return AccumulatingStep(
        network=network, optimizer=optimizer_of(network), loss_scale=loss_scale, clip_norm=CLIP, **parts
    )


def arrays(network: nn.Cell) -> dict[str, np.ndarray]:
    return {parameter.name: parameter.asnumpy().copy() for parameter in network.get_parameters()}


def rows(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("scaled", [False, True])
def test_equals_the_large_batch(mode: str, count: int, scaled: bool) -> None:
    """Losses, norm and parameters of three steps; the norm is on both sides of the clip norm."""
    whole, parts = Net(), Net()
    whole_step = TrainStep(network=whole, optimizer=optimizer_of(whole), clip_norm=CLIP)
    parts_step = accumulating(parts, LossScaler(scale=256.0, factor=2.0, window=2) if scaled else NoLossScale())
    for number in range(3):
        batch = rows(2 * count, number) * 3.0**-number
        losses, norm = parts_step(*((Tensor(part),) for part in np.split(batch, count)))
        wanted, wanted_norm = whole_step(Tensor(batch))
        np.testing.assert_allclose([loss.asnumpy() for loss in losses], [loss.asnumpy() for loss in wanted], rtol=1e-5)
        assert float(norm.asnumpy()) == pytest.approx(float(wanted_norm.asnumpy()), rel=1e-5)
    for name, value in arrays(parts).items():
        np.testing.assert_allclose(value, arrays(whole)[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_gradients_are_reduced_once_complete_and_before_clipping(mode: str) -> None:
    network, other = Net(), Net()
    step = accumulating(network, LossScaler(scale=8.0, factor=2.0, window=5), reduce_gradients=doubled)
    plain = TrainStep(network=other, optimizer=optimizer_of(other), clip_norm=CLIP, reduce_gradients=doubled)
    batch = rows(4, 0)
    _, norm = step((Tensor(batch[:2]),), (Tensor(batch[2:]),))
    _, plain_norm = plain(Tensor(batch))
    assert float(norm.asnumpy()) == pytest.approx(float(plain_norm.asnumpy()), rel=1e-5)
    assert float(norm.asnumpy()) == pytest.approx(2 * float(norm_of(batch).asnumpy()), rel=1e-5)
    for name, value in arrays(network).items():
        np.testing.assert_allclose(value, arrays(other)[name], rtol=1e-5, atol=1e-6, err_msg=name)


def doubled(gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return ops.HyperMap()(ops.add, gradients, gradients)


def norm_of(batch: np.ndarray) -> Tensor:
    network = Net()
    return TrainStep(network=network, optimizer=optimizer_of(network))(Tensor(batch))[1]


def test_an_overflow_changes_nothing_but_the_step_count_and_the_scale(mode: str) -> None:
    """With a scale at which float32 overflows: the first steps are skipped, then it continues at that step's rate."""
    network = Net()
    average = ParameterAverage(network=network, decay=0.5, warmup=1.0)
    scaler = LossScaler(scale=1e38, factor=1e19, window=100)
    step = accumulating(network, scaler, average=average)
    before, batch = arrays(network), (Tensor(rows(2, 0) * 100),)
    losses, norm = step(batch, batch)
    assert float(norm.asnumpy()) == 0.0
    assert all(math.isfinite(float(loss.asnumpy())) for loss in losses)
    assert (scaler.scale, scaler.skipped) == (1e19, 1)
    assert step.update.optimizer.global_step.asnumpy() == [1]
    for name, value in arrays(network).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
        np.testing.assert_array_equal(average.by_name()[name].asnumpy(), before[name], err_msg=name)
    _, norm = step(batch, batch)
    assert (float(norm.asnumpy()) > 0, step.update.optimizer.global_step.asnumpy().tolist()) == (True, [2])
    moved = arrays(network)["second.bias"] - before["second.bias"]
    gradient = step.update.optimizer.accum[3].asnumpy()
    np.testing.assert_allclose(moved, -RATES[1] * gradient, rtol=1e-4)


class CountingLoader:
    """Batches of two images, numbered from 0."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Any]:
        for number in range(start_step, 7):
            yield SimpleNamespace(image_ids=(100 * epoch + 2 * number, 100 * epoch + 2 * number + 1))


def test_groups_hold_consecutive_batches_and_leave_out_the_rest() -> None:
    loader = GroupedLoader(loader=CountingLoader(), count=3)
    assert [group.image_ids for group in loader.epoch(1)] == [tuple(range(100, 106)), tuple(range(106, 112))]
    assert [group.image_ids for group in loader.epoch(0, 1)] == [tuple(range(6, 12))]
    assert list(loader.epoch(0, 2)) == []


def test_every_batch_of_a_group_has_noise_of_its_own() -> None:
    feed = GroupedFeed(feed=lambda batch, step: (batch, step), count=2)
    assert feed(BatchGroup(("a", "b")), 5) == (("a", 10), ("b", 11))
