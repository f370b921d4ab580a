"""Batch-norm statistics re-estimated over batches against numpy."""

from collections.abc import Iterator

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.config.loader import parse_config
from mindrcnn.errors import InputError
from mindrcnn.models.batch_norm import SyncBatchNorm
from mindrcnn.models.layers import ConvNorm
from mindrcnn.tasks.precise_bn import PreciseStatistics, build_precise_statistics, first_batches

RNG = np.random.default_rng(4)
EPS = 1e-5


class Network(nn.Cell):
    """Two 1x1 convolutions with a norm; the second sees what the first normalises by the batch's own statistics."""

    def __init__(self, norm: str = "batch") -> None:
        super().__init__()
        layer = {"kernel_size": 1, "norm": norm, "activation": "none"}
        self.first = ConvNorm(in_channels=3, out_channels=4, **layer)
        self.second = ConvNorm(in_channels=4, out_channels=2, **layer)

    def construct(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.second(self.first(x)).mean(),)


class Mask(nn.Cell):
    """A norm of rows, some of which count."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = SyncBatchNorm(channels=2, eps=EPS, activation="none")

    def construct(self, x: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        return (self.norm(x, valid).mean(),)


def make_batches(count: int) -> list[np.ndarray]:
    """Batches of different sizes and brightness."""
    return [RNG.integers(0, 60 * (index + 1), (2, 3, 4, 5 + index)).astype(np.float32) for index in range(count)]


def products(x: np.ndarray, layer: ConvNorm) -> np.ndarray:
    """Outputs (C, N) of a 1x1 convolution at all pixels (C, N)."""
    return layer.conv.weight.asnumpy()[:, :, 0, 0].astype(float) @ x


@pytest.mark.usefixtures("implementation")
def test_statistics_are_those_of_the_batches() -> None:
    network, batches = Network(), make_batches(3)
    estimate = PreciseStatistics(network=network, batches=lambda: ((Tensor(batch),) for batch in batches))
    scale = network.first.norm.gamma.asnumpy().copy()
    found = []
    for batch in batches:
        pixels = batch.transpose(1, 0, 2, 3).reshape(3, -1).astype(float)
        first = products(pixels, network.first)
        normal = (first - first.mean(axis=1, keepdims=True)) / np.sqrt(first.var(axis=1, keepdims=True) + EPS)
        found.append([(one.mean(axis=1), one.var(axis=1, ddof=1)) for one in (first, products(normal, network.second))])
    estimate()
    for index, layer in enumerate((network.first, network.second)):
        means, variances = (np.array([one[index][part] for one in found]) for part in (0, 1))
        np.testing.assert_allclose(layer.norm.moving_mean.asnumpy(), means.mean(axis=0), rtol=1e-4, atol=1e-4)
        wanted = variances.mean(axis=0) + means.var(axis=0)
        np.testing.assert_allclose(layer.norm.moving_variance.asnumpy(), wanted, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(network.first.norm.gamma.asnumpy(), scale)
    before = network.first.norm.moving_mean.asnumpy()
    estimate()  # does not depend on earlier statistics
    np.testing.assert_array_equal(network.first.norm.moving_mean.asnumpy(), before)


class TwoBatches:
    """A loader of two batches an epoch."""

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[str]:
        yield from (f"epoch {epoch}, batch {index}" for index in range(2))


def test_batches_go_on_to_the_next_epoch() -> None:
    assert list(first_batches(TwoBatches(), 3)) == ["epoch 0, batch 0", "epoch 0, batch 1", "epoch 1, batch 0"]


def test_nothing_to_estimate() -> None:
    network = Network("frozen")
    build_precise_statistics(network, TwoBatches(), None, 0)()
    with pytest.raises(InputError, match=r"train\.precise_bn: wanted 0 for a model without batch norms"):
        build_precise_statistics(network, TwoBatches(), None, 3)


def test_rows_that_do_not_count_and_batches_without_any() -> None:
    network = Mask()
    x = RNG.normal(3, 2, (3, 2, 2, 2)).astype(np.float32)
    rows = [np.array(row) for row in ([True, False, True], [False, False, False])]
    estimate = PreciseStatistics(network=network, batches=lambda: ((Tensor(x), Tensor(row)) for row in rows))
    estimate()
    wanted = x[[0, 2]]
    np.testing.assert_allclose(network.norm.moving_mean.asnumpy(), wanted.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(network.norm.moving_variance.asnumpy(), wanted.var((0, 2, 3), ddof=1), rtol=1e-4)
    rows.pop(0)
    estimate()
    np.testing.assert_allclose(network.norm.moving_mean.asnumpy(), wanted.mean((0, 2, 3)), rtol=1e-5)


def test_averaged_parameters_have_averaged_statistics() -> None:
    with pytest.raises(InputError, match=r"train\.precise_bn: wanted 0 with train\.ema, got 20"):
        parse_config("train: {precise_bn: 20, ema: {decay: 0.999}}", "test")
