"""ResNet: feature maps of detectron2 and torchvision (with FPN), parameter names, frozen stages."""

import importlib.util
import json
import re
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.models.backbones.resnet import ResNet, Stem
from mindrcnn.models.fpn import FPN

NORM_LEAVES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def from_detectron2(name: str) -> str:
    """backbone.bottom_up.res3.0.conv2.norm.weight -> backbone.stage3.0.conv2.norm.gamma"""
    if match := re.fullmatch(r"backbone\.fpn_(lateral|output)(\d)\.(\w+)", name):
        return f"fpn.{match[1]}s.{int(match[2]) - 2}.{match[3]}"
    layer = re.sub(r"backbone\.bottom_up\.(res)?", "", name)
    layer = layer if layer.startswith("stem") else f"stage{layer}"
    block, leaf = layer.rsplit(".", 1)
    return f"backbone.{block}.{NORM_LEAVES[leaf]}" if block.endswith("norm") else f"backbone.{block}.conv.{leaf}"


def from_torchvision(name: str) -> str:
    """backbone.body.layer2.0.bn2.weight -> backbone.stage3.0.conv2.norm.gamma"""
    if match := re.fullmatch(r"backbone\.fpn\.(inner|layer)_blocks\.(\d)\.0\.(\w+)", name):
        return f"fpn.{dict(inner='laterals', layer='outputs')[match[1]]}.{match[2]}.{match[3]}"
    layer, leaf = name.removeprefix("backbone.body.").rsplit(".", 1)
    layer = re.sub(r"layer(\d)", lambda match: f"stage{int(match[1]) + 1}", layer)
    layer = layer if layer.startswith("stage") else f"stem.{layer}"
    layer = layer.replace("downsample.0", "shortcut.conv").replace("downsample.1", "shortcut.norm")
    layer = re.sub(r"\.conv(\d)$", r".conv\1.conv", layer)
    layer = re.sub(r"\.bn(\d)$", r".conv\1.norm", layer)
    return f"backbone.{layer}.{NORM_LEAVES[leaf] if layer.endswith('norm') else leaf}"


def normalised_bgr(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) - np.array([103.53, 116.28, 123.675], np.float32)


def normalised_rgb(image: np.ndarray) -> np.ndarray:
    rgb = image[..., ::-1].astype(np.float32) / 255
    return (rgb - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)


CASES = {
    "d2_mask_rcnn_r50": (50, "1x1", from_detectron2, normalised_bgr, ("p2", "p3", "p4", "p5", "p6")),
    "d2_mask_rcnn_r101": (101, "1x1", from_detectron2, normalised_bgr, ("p2", "p3", "p4", "p5", "p6")),
    "tv_mask_rcnn_r50": (50, "3x3", from_torchvision, normalised_rgb, ("0", "1", "2", "3", "pool")),
}


class Trunk(nn.Cell):
    def __init__(self, backbone: ResNet) -> None:
        super().__init__()
        self.backbone = backbone
        self.fpn = FPN(in_channels=backbone.out_channels, out_channels=256)

    def construct(self, images):
        return self.fpn(self.backbone(images))


def reference_weights(golden: Path, case: str, rename) -> dict[str, np.ndarray]:
    spec = importlib.util.spec_from_file_location("fill", golden / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    meta = json.loads((golden / f"{case}.json").read_text())
    shapes = {name: shape for name, shape in meta["shapes"].items() if name.startswith("backbone.")}
    return {rename(name): fill.fill(name, shape, meta["gains"], meta["seed"]) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if CASES[case][0] == 101 else ()) for case in CASES]
)
def test_feature_maps_equal_the_reference(case, golden):
    depth, stride_in, rename, normalise, levels = CASES[case]
    trunk = Trunk(ResNet(depth=depth, stride_in=stride_in, norm="frozen", frozen_stages=2))
    weights = reference_weights(golden, case, rename)
    ours = trunk.parameters_dict()
    assert {name: p.shape for name, p in ours.items()} == {name: value.shape for name, value in weights.items()}
    for name, parameter in ours.items():
        parameter.set_data(Tensor(weights[name]))
    ms.set_context(mode=ms.GRAPH_MODE)
    with np.load(golden / f"{case}.npz") as arrays:
        images = normalise(arrays["image_bgr"]).transpose(2, 0, 1)[None]
        pyramid = trunk(Tensor(np.ascontiguousarray(images)))
        for level, values in zip(levels, pyramid, strict=True):
            wanted = arrays[f"feat_{level}"]
            mean, std = arrays[f"featstat_{level}"]
            got = values.asnumpy()
            np.testing.assert_allclose(got[:, ::16, ::3, ::3], wanted, rtol=0, atol=1e-3 * std)
            np.testing.assert_allclose([got.mean(), got.std()], [mean, std], rtol=0, atol=1e-3 * std)


@pytest.mark.parametrize("frozen_stages", range(6))
def test_frozen_stages_hold_back_their_parameters(frozen_stages):
    resnet = ResNet(depth=50, stride_in="3x3", norm="batch", frozen_stages=frozen_stages)
    stages = ["stem", "stage2", "stage3", "stage4", "stage5"]
    training = {parameter.name.split(".")[0] for parameter in resnet.trainable_params()}
    assert training == set(stages[frozen_stages:])
    for name, cell in resnet.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            assert name.split(".")[0] in training  # the others must not gather statistics


def test_two_styles_differ_only_in_where_the_stride_is():
    strides = {}
    for stride_in in ("1x1", "3x3"):
        resnet = ResNet(depth=50, stride_in=stride_in, norm="frozen", frozen_stages=0)
        block = resnet.stage3[0]
        strides[stride_in] = [cell.conv.stride for cell in (block.conv1, block.conv2, block.conv3, block.shortcut)]
    assert strides["1x1"] == [(2, 2), (1, 1), (1, 1), (2, 2)]
    assert strides["3x3"] == [(1, 1), (2, 2), (1, 1), (2, 2)]


@pytest.mark.parametrize(("trains", "tolerance"), [(True, 0), (False, 1e-6)])
def test_stem_pools_like_a_pooling_padded_with_minus_infinity(trains, tolerance, mode):
    stem = Stem(norm="frozen", trains=trains)
    images = Tensor(np.random.default_rng(0).normal(size=(2, 3, 32, 64)).astype(np.float32))
    before = np.pad(stem.conv1(images).asnumpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = [before[:, :, dy : dy + 15 + 1 : 2, dx : dx + 31 + 1 : 2] for dy in range(3) for dx in range(3)]
    wanted = np.max(windows, axis=0)
    np.testing.assert_allclose(stem(images).asnumpy(), wanted, rtol=0, atol=tolerance * wanted.max())
