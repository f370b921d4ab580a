"""Pixels, layers and backbones against their cells."""

from typing import Any

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.build.detector import build_box_convs
from mindrcnn.config.box import BoxConfig
from mindrcnn.errors import InputError
from mindrcnn.models.backbones import resnet
from mindrcnn.models.box_branch import BoxHead
from mindrcnn.models.detector import PixelNormalizer
from mindrcnn.models.layers import ConvNorm
from mindrcnn.onnx_export.backbones import add_backbone
from mindrcnn.onnx_export.detections import add_box_head
from mindrcnn.onnx_export.layers import add_layer, add_pixels

RNG = np.random.default_rng(2)


def test_pixels_of_padding_are_zero(run_part: Any) -> None:
    cell = PixelNormalizer(mean=(100.0, 110.0, 120.0), std=(50.0, 60.0, 70.0))
    images = RNG.integers(0, 256, (2, 3, 6, 8)).astype(np.uint8)
    sizes = np.array([[6, 8], [4, 5]], np.int32)

    def build(graph: Any, image: str, size: str) -> str:
        return add_pixels(graph, cell, image, size, graph.size_of(image, 2), graph.size_of(image, 3))

    (found,) = run_part(build, images, sizes)
    np.testing.assert_allclose(found, cell(Tensor(images), Tensor(sizes)).asnumpy(), rtol=0, atol=1e-6)
    assert not found[1, :, 4:].any()
    assert not found[1, :, :, 5:].any()


@pytest.mark.parametrize(
    "settings",
    [
        {"norm": "frozen", "activation": "relu"},
        {"norm": "frozen_statistics", "activation": "none", "kernel_size": 1},
        {"norm": "batch", "activation": "relu6", "stride": 2, "padding": (0, 1, 0, 1)},
        {"norm": "batch", "activation": "relu6", "groups": 4, "out_channels": 4},
        {"norm": "frozen", "activation": "relu", "kernel_size": 7, "stride": 2},
    ],
)
def test_convolution_with_norm(run_part: Any, randomise: Any, settings: dict[str, Any]) -> None:
    cell = randomise(ConvNorm(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3} | settings)).set_train(False)
    x = RNG.normal(size=(2, 4, 10, 12)).astype(np.float32)
    (found,) = run_part(lambda graph, value: add_layer(cell, graph, value), x)
    np.testing.assert_allclose(found, cell(Tensor(x)).asnumpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_a_narrow_resnet(run_part: Any, randomise: Any, monkeypatch: pytest.MonkeyPatch, stride_in: Any) -> None:
    monkeypatch.setattr(resnet, "BLOCKS", {50: (2, 1, 1, 1)})
    monkeypatch.setattr(resnet, "OUT_CHANNELS", (8, 16, 24, 32))
    monkeypatch.setattr(resnet, "STEM_CHANNELS", 4)
    cell = randomise(resnet.ResNet(depth=50, stride_in=stride_in, norm="frozen", frozen_stages=2))
    images = RNG.normal(size=(1, 3, 64, 96)).astype(np.float32)
    found = run_part(lambda graph, value: add_backbone(cell, graph, value), images)
    for own, wanted in zip(found, cell(Tensor(images)), strict=True):
        scale = np.abs(wanted.asnumpy()).max()
        np.testing.assert_allclose(own, wanted.asnumpy(), rtol=0, atol=1e-5 * scale)


def test_layers_of_an_unknown_type() -> None:
    with pytest.raises(InputError, match=r"wanted layers with an ONNX form, got Tanh: .*add_layer\.register"):
        add_layer(nn.Tanh(), None, "x")
    with pytest.raises(InputError, match=r"wanted a backbone with an ONNX form, got Tanh: .*add_backbone\.register"):
        add_backbone(nn.Tanh(), None, "x")


def test_one_box_regressor_for_all_classes(run_part: Any, randomise: Any) -> None:
    head = randomise(BoxHead(in_channels=2, resolution=2, fc_channels=5, num_classes=3, class_agnostic=True))
    pooled = RNG.normal(size=(4, 2, 2, 2)).astype(np.float32)
    logits, deltas = run_part(lambda graph, value: add_box_head(graph, head, value), pooled)
    wanted_logits, wanted = (output.asnumpy() for output in head(Tensor(pooled), Tensor(np.ones(len(pooled), bool))))
    np.testing.assert_allclose(logits, wanted_logits, rtol=0, atol=1e-5)
    np.testing.assert_allclose(deltas.reshape(-1, 3, 4), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["group", "frozen", "sync_batch"])
def test_box_head_with_convolutions(run_part: Any, randomise: Any, norm: str) -> None:
    convs = build_box_convs(BoxConfig(num_convs=2, conv_channels=32, norm=norm), 2)
    head = randomise(BoxHead(in_channels=32, resolution=3, fc_channels=5, num_classes=3, convs=convs, num_fcs=1))
    head.set_train(False)
    pooled = RNG.normal(size=(4, 2, 3, 3)).astype(np.float32)
    logits, deltas = run_part(lambda graph, value: add_box_head(graph, head, value), pooled)
    wanted_logits, wanted = (output.asnumpy() for output in head(Tensor(pooled), Tensor(np.ones(len(pooled), bool))))
    np.testing.assert_allclose(logits, wanted_logits, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(deltas.reshape(-1, 3, 4), wanted, rtol=1e-4, atol=1e-4)
