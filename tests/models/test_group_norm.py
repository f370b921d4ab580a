"""Group norm in backbone, pyramid and mask head."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.build.detector import build_backbone
from mindrcnn.config.loader import parse_config
from mindrcnn.config.model import BackboneConfig
from mindrcnn.errors import InputError
from mindrcnn.models.fpn import FPN
from mindrcnn.models.mask_branch import MaskHead

CHANNELS, OUT = (3, 4, 5, 6), 64
RNG = np.random.default_rng(3)


def group_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Group norm of maps (B, C, H, W) one by one, 32 groups, epsilon 1e-5 as in PyTorch."""
    result = np.zeros(x.shape)
    size = x.shape[1] // 32
    for image, group in np.ndindex(len(x), 32):
        part = x[image, group * size : (group + 1) * size].astype(float)
        result[image, group * size : (group + 1) * size] = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
    return result * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)


def normed_conv(x: np.ndarray, values: dict[str, np.ndarray], layer: str) -> np.ndarray:
    """A convolution that keeps the size, without bias, and group norm."""
    weight = values[f"{layer}.conv.weight"]
    half, (height, width) = weight.shape[2] // 2, x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    out = np.zeros((len(x), len(weight), height, width))
    for row, column in np.ndindex(*weight.shape[2:]):
        window = padded[:, :, row : row + height, column : column + width]
        out += np.einsum("oi,bihw->bohw", weight[:, :, row, column], window)
    return group_norm(out, values[f"{layer}.norm.gamma"], values[f"{layer}.norm.beta"])


def randomise(cell) -> dict[str, np.ndarray]:
    for parameter in cell.get_parameters():
        parameter.set_data(Tensor(RNG.normal(size=parameter.shape).astype(np.float32)))
    return {name: parameter.asnumpy() for name, parameter in cell.parameters_dict().items()}


def test_pyramid_equals_numpy() -> None:
    fpn = FPN(in_channels=CHANNELS, out_channels=OUT, norm="group")
    values = randomise(fpn)
    parts = ("conv.weight", "norm.gamma", "norm.beta")
    assert set(values) == {f"{kind}.{i}.{part}" for kind in ("laterals", "outputs") for i in range(4) for part in parts}
    features = [RNG.normal(size=(2, c, 16 >> i, 24 >> i)).astype(np.float32) for i, c in enumerate(CHANNELS)]
    found = fpn(tuple(Tensor(feature) for feature in features))
    merged = None
    for level in (3, 2, 1, 0):
        lateral = normed_conv(features[level], values, f"laterals.{level}")
        merged = lateral if merged is None else lateral + merged.repeat(2, axis=2).repeat(2, axis=3)
        wanted = normed_conv(merged, values, f"outputs.{level}")
        np.testing.assert_allclose(found[level].asnumpy(), wanted, rtol=1e-3, atol=1e-3)


def test_convolutions_of_the_mask_head_equal_numpy() -> None:
    head = MaskHead(in_channels=2, num_convs=2, channels=32, num_classes=3, norm="group")
    values = randomise(head)
    assert {"convs.0.conv.weight", "convs.1.norm.beta", "upsample.bias"} <= set(values)
    assert "convs.0.conv.bias" not in values
    hidden = wanted = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32)
    valid = Tensor(np.array([True, True]))
    for index, layer in enumerate(head.convs):
        hidden = layer(Tensor(hidden), valid).asnumpy()
        wanted = np.maximum(normed_conv(wanted, values, f"convs.{index}"), 0)
        np.testing.assert_allclose(hidden, wanted, rtol=1e-3, atol=1e-3)


def test_a_frozen_stage_of_the_backbone_keeps_its_group_norm() -> None:
    backbone = build_backbone(BackboneConfig(name="mobilenet_v1", norm="group", frozen_stages=2))
    parameters = backbone.parameters_dict()
    assert not any("moving" in name for name in parameters)
    assert not parameters["stem.norm.gamma"].requires_grad
    assert not parameters["stage2.0.pointwise.norm.beta"].requires_grad
    assert parameters["stage3.0.depthwise.norm.gamma"].requires_grad


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fpn: {out_channels: 48, norm: group}", "model.fpn.out_channels"),
        ("mask: {type: mask_rcnn, channels: 8, norm: group}", "model.mask.channels"),
        ("mask: {type: ms_rcnn, channels: 8, norm: group}", "model.mask.channels"),
    ],
)
def test_channels_that_cannot_be_divided(text: str, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: wanted a multiple of 32 with norm group"):
        parse_config(f"model: {{{text}}}", "test")
