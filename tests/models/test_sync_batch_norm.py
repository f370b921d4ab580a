"""Batch norm over several processes, with one process in the place of all; tests/programs has real ones."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import One

from mindrcnn.build.detector import build_box_convs
from mindrcnn.config.box import BoxConfig
from mindrcnn.models.batch_norm import SyncBatchNorm
from mindrcnn.models.fpn import FPN
from mindrcnn.models.layers import ConvNorm
from mindrcnn.models.mask_branch import MaskHead

EPS = 1e-5
RNG = np.random.default_rng(0)
GAMMA, BETA = np.array([9.0, 2.0]), np.array([0.5, -0.5])


class Twice(nn.Cell):
    """In the place of AllReduce: the other process has the same rows."""

    def construct(self, value: Tensor) -> Tensor:
        return value + value


def make_norm(processes: int) -> SyncBatchNorm:
    layer = SyncBatchNorm(channels=2, eps=EPS, activation="relu6")
    layer.processes, layer.all_reduce = processes, Twice()
    layer.gamma.set_data(Tensor(GAMMA.astype(np.float32)))
    layer.beta.set_data(Tensor(BETA.astype(np.float32)))
    return layer.set_train()


def normalised(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows of x (B, 2, H, W), normalised by those in `rows`, before the activation."""
    mean, variance = rows.mean((0, 2, 3), keepdims=True), rows.var((0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + EPS) * GAMMA.reshape(1, 2, 1, 1) + BETA.reshape(1, 2, 1, 1)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("valid", [None, [True, False, True]])
def test_the_rows_of_all_processes_normalise(mode: str, processes: int, valid: list[bool] | None) -> None:
    x = RNG.normal(3, 2, (3, 2, 4, 3))
    counted = x if valid is None else x[valid]
    given = x.astype(np.float32)
    if valid is not None:
        given[1] = np.nan
    layer = make_norm(processes)
    y = layer(Tensor(given), None if valid is None else Tensor(valid)).asnumpy()
    expected = np.clip(normalised(counted, counted), 0, 6)
    np.testing.assert_allclose(y if valid is None else y[valid], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.asnumpy(), 0.1 * counted.mean((0, 2, 3)), rtol=1e-5)
    number = processes * counted[:, 0].size
    unbiased = counted.var((0, 2, 3)) * number / (number - 1)
    np.testing.assert_allclose(layer.moving_variance.asnumpy(), 0.9 + 0.1 * unbiased, rtol=1e-5)


def test_gradient() -> None:
    x, weight = RNG.normal(3, 2, (3, 2, 2, 2)), RNG.normal(size=(3, 2, 2, 2))
    valid = np.array([True, False, True])
    weight[1] = 0
    layer = make_norm(1)
    layer.activate = nn.Identity()

    def loss(value: Tensor) -> Tensor:
        return (layer(value, Tensor(valid)) * Tensor(weight.astype(np.float32))).sum()

    found = ms.grad(loss)(Tensor(x.astype(np.float32))).asnumpy()
    wanted = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        parts = []
        for step in (1e-4, -1e-4):
            moved = x.copy()
            moved[index] += step
            parts.append((normalised(moved, moved[valid]) * weight)[valid].sum())
        wanted[index] = (parts[0] - parts[1]) / 2e-4
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_without_rows_the_statistics_stay() -> None:
    layer = make_norm(1)
    layer.moving_mean.set_data(Tensor([2.0, 3.0], ms.float32))
    y = layer(Tensor(RNG.normal(size=(2, 2, 2, 2)).astype(np.float32)), Tensor([False, False]))
    assert np.isfinite(y.asnumpy()).all()
    np.testing.assert_array_equal(layer.moving_mean.asnumpy(), [2, 3])
    np.testing.assert_array_equal(layer.moving_variance.asnumpy(), [1, 1])


def test_inference_normalises_by_the_stored_statistics() -> None:
    x = Tensor(np.full((1, 2, 1, 2), 2.0, np.float32))
    y = make_norm(2).set_train(False)(x).asnumpy()
    np.testing.assert_allclose(y[0, :, 0, 0], [6.0, 3.5], rtol=1e-4)


def test_one_process_has_ordinary_batch_norm() -> None:
    settings = dict(in_channels=2, out_channels=2, kernel_size=1, activation="relu", weight_init=One())
    x = Tensor(np.random.default_rng(1).normal(size=(2, 2, 4, 3)).astype(np.float32))
    one, other = (ConvNorm(norm=norm, **settings).set_train()(x).asnumpy() for norm in ("batch", "sync_batch"))
    assert one.std() > 0.1
    np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("implementation")
def test_padded_slots_of_the_heads_do_not_count() -> None:
    box = build_box_convs(BoxConfig(num_convs=1, conv_channels=32, norm="sync_batch", num_fcs=1), 32)
    mask = MaskHead(in_channels=32, num_convs=1, channels=32, num_classes=2, norm="sync_batch")
    x = RNG.normal(size=(3, 32, 4, 4)).astype(np.float32)
    valid = np.array([True, True, False])
    for layer in (*box, *mask.convs):
        layer.set_train()
        alone = layer(Tensor(x[:2]), Tensor([True, True])).asnumpy()
        mean = layer.norm.moving_mean.asnumpy()
        layer.norm.moving_mean.set_data(ops.zeros_like(layer.norm.moving_mean))
        np.testing.assert_allclose(layer(Tensor(x), Tensor(valid)).asnumpy()[:2], alone, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.norm.moving_mean.asnumpy(), mean, rtol=1e-4, atol=1e-6)
        assert abs(mean).max() > 1e-3


def test_pyramid_has_norms_in_the_place_of_biases() -> None:
    names = FPN(in_channels=(2, 3, 4, 5), out_channels=4, norm="sync_batch").parameters_dict()
    assert "laterals.0.norm.moving_mean" in names
    assert not any(name.endswith("bias") for name in names)
