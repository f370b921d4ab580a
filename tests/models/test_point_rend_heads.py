"""PointRend's heads against loops."""

import math

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.models.point_rend_branch import CoarseHead, PointHead

CLASSES, CHANNELS = 3, 2
Arrays = dict[str, np.ndarray]


def filled(head: nn.Cell) -> Arrays:
    """Sets every parameter to nonzero values and returns them."""
    rng = np.random.default_rng(0)
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    return {name: value.asnumpy() for name, value in head.parameters_dict().items()}


def test_coarse_head_equals_numpy(mode: str) -> None:
    head = CoarseHead(in_channels=CHANNELS, resolution=4, fc_channels=5, num_classes=CLASSES)
    values = filled(head)
    pooled = np.random.default_rng(1).normal(size=(2, CHANNELS, 4, 4)).astype(np.float32)
    found = head(Tensor(pooled)).asnumpy()
    assert found.shape == (2, CLASSES, 2, 2)
    for row in range(2):
        hidden = np.zeros((CHANNELS, 2, 2))
        for y, x in np.ndindex(2, 2):
            window = pooled[row, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
            hidden[:, y, x] = [(window * kernel).sum() for kernel in values["reduce.weight"]]
        hidden = np.maximum(hidden + values["reduce.bias"].reshape(-1, 1, 1), 0).ravel()
        for name in ("fc1", "fc2"):
            hidden = np.maximum(values[f"{name}.weight"] @ hidden + values[f"{name}.bias"], 0)
        wanted = values["prediction.weight"] @ hidden + values["prediction.bias"]
        np.testing.assert_allclose(found[row].ravel(), wanted, rtol=1e-4, atol=1e-3)


def test_point_head_equals_numpy(mode: str) -> None:
    head = PointHead(in_channels=CHANNELS, num_layers=2, channels=4, num_classes=CLASSES)
    values = filled(head)
    rng = np.random.default_rng(1)
    fine = rng.normal(size=(4, 5, CHANNELS)).astype(np.float32)
    coarse = rng.normal(size=(4, 5, CLASSES)).astype(np.float32)
    labels = np.array([3, 1, 2, 0], np.int32)
    found = head(Tensor(fine), Tensor(coarse), Tensor(labels)).asnumpy()
    assert found.shape == (4, 5)
    for row, point in np.ndindex(4, 5):
        hidden = fine[row, point]
        for layer in range(2):
            seen = np.concatenate([hidden, coarse[row, point]])
            hidden = np.maximum(values[f"fcs.{layer}.weight"] @ seen + values[f"fcs.{layer}.bias"], 0)
        seen = np.concatenate([hidden, coarse[row, point]])
        wanted = values["predictor.weight"] @ seen + values["predictor.bias"]
        assert found[row, point] == pytest.approx(wanted[max(labels[row] - 1, 0)], rel=1e-4, abs=1e-4)


def test_initial_values() -> None:
    coarse = CoarseHead(in_channels=32, resolution=8, fc_channels=128, num_classes=20)
    points = PointHead(in_channels=64, num_layers=2, channels=96, num_classes=20)
    values = {name: p.asnumpy() for head in (coarse, points) for name, p in head.parameters_dict().items()}
    assert not any(value.any() for name, value in values.items() if name.endswith("bias"))
    assert values["reduce.weight"].std() == pytest.approx(math.sqrt(2 / (32 * 4)), rel=0.05)
    assert values["fc1.weight"].std() == pytest.approx(math.sqrt(1 / (32 * 16)), rel=0.05)
    assert values["prediction.weight"].std() == pytest.approx(0.001, rel=0.05)
    assert values["fcs.0.weight"].shape == (96, 64 + 20)
    assert values["fcs.1.weight"].shape == (96, 96 + 20)
    assert values["fcs.1.weight"].std() == pytest.approx(math.sqrt(2 / 96), rel=0.05)
    assert values["predictor.weight"].std() == pytest.approx(0.001, rel=0.1)
