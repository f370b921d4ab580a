"""FPN against numpy."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.fpn import FPN

CHANNELS = (3, 4, 5, 6)
OUT = 4


def reference_conv(x, weight, bias):
    """Same-size convolution of stride 1, one kernel tap at a time."""
    half = weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (half, half), (half, half)))
    height, width = x.shape[2:]
    out = np.zeros((x.shape[0], weight.shape[0], height, width)) + bias.reshape(-1, 1, 1)
    for dy in range(weight.shape[2]):
        for dx in range(weight.shape[3]):
            window = padded[:, :, dy : dy + height, dx : dx + width]
            out += np.einsum("oi,bihw->bohw", weight[:, :, dy, dx], window)
    return out


def reference_fpn(features, values):
    merged = None
    pyramid = []
    for level in (3, 2, 1, 0):
        lateral = reference_conv(features[level], values[f"laterals.{level}.weight"], values[f"laterals.{level}.bias"])
        merged = lateral if merged is None else lateral + merged.repeat(2, axis=2).repeat(2, axis=3)
        pyramid.insert(0, reference_conv(merged, values[f"outputs.{level}.weight"], values[f"outputs.{level}.bias"]))
    return [*pyramid, pyramid[-1][:, :, ::2, ::2]]


def test_forward(mode):
    rng = np.random.default_rng(1)
    features = [rng.normal(size=(2, c, 24 >> i, 40 >> i)).astype(np.float32) for i, c in enumerate(CHANNELS)]
    fpn = FPN(in_channels=CHANNELS, out_channels=OUT)
    for parameter in fpn.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    values = {name: parameter.asnumpy() for name, parameter in fpn.parameters_dict().items()}
    pyramid = fpn(tuple(Tensor(feature) for feature in features))
    wanted = reference_fpn(features, values)
    assert [level.shape for level in pyramid] == [level.shape for level in wanted]
    assert pyramid[4].shape == (2, OUT, 2, 3)  # odd sides round up, as max pooling with kernel 1 and stride 2 does
    for level, reference in zip(pyramid, wanted, strict=True):
        np.testing.assert_allclose(level.asnumpy(), reference, rtol=1e-4, atol=1e-4)


def test_initialisation():
    fpn = FPN(in_channels=(64, 64, 64, 64), out_channels=32)
    for name, parameter in fpn.parameters_dict().items():
        value = parameter.asnumpy()
        if name.endswith("bias"):
            assert not value.any()
        else:
            bound = (3 / np.prod(value.shape[1:])) ** 0.5
            assert np.abs(value).max() == pytest.approx(bound, rel=0.02)
