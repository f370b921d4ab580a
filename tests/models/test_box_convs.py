"""The 4conv1fc box head and group norm against numpy."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.build.detector import build_box_convs
from mindrcnn.config.box import BoxConfig
from mindrcnn.models.box_branch import BoxHead
from mindrcnn.models.layers import GroupNorm

RNG = np.random.default_rng(0)


def group_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Group norm of one image (C, H, W) by loops, 32 groups, epsilon 1e-5 as in PyTorch."""
    size = len(x) // 32
    result = np.zeros(x.shape)
    for group in range(32):
        part = x[group * size : (group + 1) * size].astype(float)
        result[group * size : (group + 1) * size] = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
    return result * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)


def convolve(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((len(weight), *x.shape[1:]))
    for row, column in np.ndindex(*x.shape[1:]):
        result[:, row, column] = (weight * padded[None, :, row : row + 3, column : column + 3]).sum(axis=(1, 2, 3))
    return result


def test_group_norm_of_a_map_with_a_large_mean(mode: str) -> None:
    norm = GroupNorm(64)
    for parameter in norm.get_parameters():
        parameter.set_data(Tensor(RNG.normal(size=64).astype(np.float32)))
    x = (RNG.normal(size=(2, 64, 5, 3)) + 100).astype(np.float32)
    found = norm(Tensor(x)).asnumpy()
    for index in range(2):
        wanted = group_norm(x[index], norm.gamma.asnumpy(), norm.beta.asnumpy())
        np.testing.assert_allclose(found[index], wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", ["group", "frozen", "sync_batch"])
def test_head_equals_numpy(norm: str) -> None:
    box = BoxConfig(num_convs=2, conv_channels=32, norm=norm, num_fcs=1, fc_channels=6)
    convs = build_box_convs(box, 3)
    head = BoxHead(in_channels=32, resolution=3, fc_channels=6, num_classes=2, convs=convs, num_fcs=1)
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(RNG.uniform(0.1, 1, size=parameter.shape).astype(np.float32) - 0.3))
        if parameter.name.endswith("variance"):
            parameter.set_data(Tensor(np.full(32, 0.5, np.float32)))
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    assert {"convs.0.conv.weight", "convs.1.norm.gamma", "fc1.weight", "class_logits.weight"} <= set(values)
    assert not any(name.startswith("fc2") for name in values)
    pooled = RNG.normal(size=(2, 3, 3, 3)).astype(np.float32)
    logits, _ = head(Tensor(pooled), Tensor([True, True]))
    for row in range(2):
        hidden = pooled[row].astype(float)
        for layer in ("convs.0", "convs.1"):
            hidden = convolve(hidden, values[f"{layer}.conv.weight"])
            gamma, beta = values[f"{layer}.norm.gamma"], values[f"{layer}.norm.beta"]
            if norm == "group":
                hidden = group_norm(hidden, gamma, beta)
            else:
                mean, variance = values[f"{layer}.norm.moving_mean"], values[f"{layer}.norm.moving_variance"]
                scale = (gamma / np.sqrt(variance + 1e-5)).reshape(-1, 1, 1)
                hidden = (hidden - mean.reshape(-1, 1, 1)) * scale + beta.reshape(-1, 1, 1)
            hidden = np.maximum(hidden, 0)
        hidden = np.maximum(values["fc1.weight"] @ hidden.reshape(-1) + values["fc1.bias"], 0)
        wanted = values["class_logits.weight"] @ hidden + values["class_logits.bias"]
        np.testing.assert_allclose(logits.asnumpy()[row], wanted, rtol=1e-3, atol=1e-3)
