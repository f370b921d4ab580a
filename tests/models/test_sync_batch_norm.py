"""Batch norm over several processes, with one process in the place of all; tests/programs has real ones."""

import numpy as np
from mindspore import Tensor, nn
from mindspore.common.initializer import One

from mindrcnn.models.batch_norm import SyncBatchNorm
from mindrcnn.models.layers import ConvNorm

EPS = 1e-5
OTHERS = 3.0


class SumOfBoth(nn.Cell):
    """In the place of AllReduce: each mean of the other process is OTHERS."""

    def construct(self, value: Tensor) -> Tensor:
        return value + OTHERS


def norm_of_two_processes() -> SyncBatchNorm:
    layer = SyncBatchNorm(channels=2, eps=EPS, activation="relu6")
    layer.processes, layer.all_reduce = 2, SumOfBoth()
    layer.gamma.set_data(Tensor([9.0, 2.0]))
    layer.beta.set_data(Tensor([0.5, -0.5]))
    return layer.set_train()


def test_the_batch_of_all_processes_normalises(mode: str) -> None:
    x = np.random.default_rng(0).normal(3, 2, (2, 2, 4, 3)).astype(np.float32)
    layer = norm_of_two_processes()
    shape = (1, 2, 1, 1)
    mean = (x.mean((0, 2, 3), np.float64) + OTHERS) / 2
    variance = (((x - mean.reshape(shape)) ** 2).mean((0, 2, 3)) + OTHERS) / 2
    normal = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + EPS)
    expected = np.clip(normal * np.reshape([9.0, 2.0], shape) + np.reshape([0.5, -0.5], shape), 0, 6)
    np.testing.assert_allclose(layer(Tensor(x)).asnumpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.asnumpy(), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.asnumpy(), 0.9 + 0.1 * variance * 48 / 47, rtol=1e-5)


def test_inference_normalises_by_the_stored_statistics() -> None:
    x = Tensor(np.full((1, 2, 1, 2), 2.0, np.float32))
    y = norm_of_two_processes().set_train(False)(x).asnumpy()
    np.testing.assert_allclose(y[0, :, 0, 0], [6.0, 3.5], rtol=1e-4)


def test_one_process_has_ordinary_batch_norm() -> None:
    settings = dict(in_channels=2, out_channels=2, kernel_size=1, activation="relu", weight_init=One())
    x = Tensor(np.random.default_rng(1).normal(size=(2, 2, 4, 3)).astype(np.float32))
    one, other = (ConvNorm(norm=norm, **settings).set_train()(x).asnumpy() for norm in ("batch", "sync_batch"))
    assert one.std() > 0.1
    np.testing.assert_array_equal(one, other)
