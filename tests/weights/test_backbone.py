"""ImageNet weights from made-up files of the published names and shapes, and files that do not fit."""

import itertools
import pickle
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.errors import InputError
from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.weights.backbone import fill_backbone, load_backbone
from mindrcnn.weights.read import WeightsFile

Arrays = dict[str, np.ndarray]


def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Small values that depend on the name, so that a swapped pair shows."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.uniform(0.5, 1.5, 1).astype(np.float32) * np.ones(shape, np.float32)


def torchvision_resnet(depth: int) -> Arrays:
    """Names and shapes of torchvision's resnet50 and resnet101 state dicts."""
    arrays: Arrays = {}

    def add(convolution: str, norm: str, shape: tuple[int, ...]) -> None:
        arrays[f"{convolution}.weight"] = values(f"{convolution}.weight", shape)
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"{norm}.{leaf}"] = values(f"{norm}.{leaf}", shape[:1])
        arrays[f"{norm}.num_batches_tracked"] = np.array(5, np.int64)

    add("conv1", "bn1", (64, 3, 7, 7))
    channels = 64
    for layer, blocks in enumerate({50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[depth], start=1):
        width = 32 << layer
        for block in range(blocks):
            prefix = f"layer{layer}.{block}"
            add(f"{prefix}.conv1", f"{prefix}.bn1", (width, channels, 1, 1))
            add(f"{prefix}.conv2", f"{prefix}.bn2", (width, width, 3, 3))
            add(f"{prefix}.conv3", f"{prefix}.bn3", (4 * width, width, 1, 1))
            if block == 0:
                add(f"{prefix}.downsample.0", f"{prefix}.downsample.1", (4 * width, channels, 1, 1))
            channels = 4 * width
    arrays["fc.weight"] = values("fc.weight", (1000, 2048))
    arrays["fc.bias"] = values("fc.bias", (1000,))
    return arrays


MINDSPORE_LEAVES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def mindcv_resnet(depth: int) -> Arrays:
    """The same network under mindcv's names."""
    arrays: Arrays = {}
    for name, value in torchvision_resnet(depth).items():
        layer, leaf = name.replace("downsample", "down_sample").rsplit(".", 1)
        if layer == "fc":
            arrays[f"classifier.{leaf}"] = value
        elif re.search(r"(bn\d|down_sample\.1)$", layer):
            if leaf in MINDSPORE_LEAVES:
                arrays[f"{layer}.{MINDSPORE_LEAVES[leaf]}"] = value
        else:
            arrays[f"{layer}.{leaf}"] = value
    return arrays


def zoo_resnet(depth: int) -> Arrays:
    """The same network under the MindSpore zoo's names, with what its training saves beside."""
    arrays = {
        name.replace("down_sample", "down_sample_layer").replace("classifier", "end_point"): value
        for name, value in mindcv_resnet(depth).items()
    }
    moments = {f"moments.{name}": value for name, value in arrays.items() if name.startswith("layer1.0.conv1")}
    return arrays | moments | {name: np.ones(1, np.float32) for name in ("learning_rate", "global_step", "momentum")}


def converted_zoo_resnet(depth: int) -> Arrays:
    """What convert_checkpoint.py of the zoo's Faster R-CNN makes of it."""
    renamed: Arrays = {}
    for name, value in zoo_resnet(depth).items():
        prefix = "backbone." if name.startswith(("layer", "conv1", "bn")) else ""
        new = name.replace("down_sample_layer.0", "conv_down_sample").replace("down_sample_layer.1", "bn_down_sample")
        renamed[prefix + new] = value
    return renamed


MOBILENET_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


def mobilenet_layers() -> list[tuple[str, str, str, tuple[int, ...]]]:
    """(TensorFlow's name, mindcv's convolution, mindcv's norm, shape) of the 27 convolutions."""
    layers = [("Conv2d_0", "features.0", "features.1", (32, 3, 3, 3))]
    for number, (before, after) in enumerate(itertools.pairwise(MOBILENET_CHANNELS), start=1):
        cell = f"features.{number + 2}"
        layers.append((f"Conv2d_{number}_depthwise", f"{cell}.0", f"{cell}.1", (before, 1, 3, 3)))
        layers.append((f"Conv2d_{number}_pointwise", f"{cell}.3", f"{cell}.4", (after, before, 1, 1)))
    return layers


def mindcv_mobilenet() -> Arrays:
    arrays: Arrays = {}
    for _, convolution, norm, shape in mobilenet_layers():
        arrays[f"{convolution}.weight"] = values(f"{convolution}.weight", shape)
        for leaf in MINDSPORE_LEAVES.values():
            arrays[f"{norm}.{leaf}"] = values(f"{norm}.{leaf}", shape[:1])
    return arrays | {"classifier.weight": values("c", (1001, 1024)), "classifier.bias": values("b", (1001,))}


def tensorflow_mobilenet() -> Arrays:
    arrays: Arrays = {}
    for name, _, _, shape in mobilenet_layers():
        arrays[f"{name}/weight"] = values(f"{name}/weight", shape)
        arrays[f"{name}/bias"] = values(f"{name}/bias", shape[:1])
    return arrays | {"head/weight": values("h", (1001, 1024)), "head/bias": values("b", (1001,))}


@pytest.fixture(scope="module")
def resnet50() -> ResNet:
    return ResNet(depth=50, stride_in="3x3", norm="frozen", frozen_stages=2)


@pytest.fixture(scope="module")
def mobilenet() -> MobileNetV1:
    return MobileNetV1(norm="batch", frozen_stages=2)


def zeroed(backbone):
    """The backbone with every parameter at zero, so that one that is not set shows."""
    for parameter in backbone.get_parameters():
        parameter.set_data(Tensor(np.zeros(parameter.shape, np.float32)))
    return backbone


def resnet_name(name: str, *, torch: bool) -> str:
    """Our parameter's name in torchvision's or mindcv's file, written out apart from the tables under test."""
    name = name.removeprefix("stem.")
    for stage in range(2, 6):
        name = name.replace(f"stage{stage}.", f"layer{stage - 1}.")
    name = re.sub(r"shortcut\.conv", "downsample.0" if torch else "down_sample.0", name)
    name = re.sub(r"shortcut\.norm", "downsample.1" if torch else "down_sample.1", name)
    name = re.sub(r"conv(\d)\.conv\.", r"conv\1.", name)
    name = re.sub(r"conv(\d)\.norm\.", r"bn\1.", name)
    if torch:
        for theirs, ours in MINDSPORE_LEAVES.items():
            name = re.sub(rf"\.{ours}$", f".{theirs}", name)
    return name


@pytest.mark.parametrize(
    ("make", "kind", "suffix", "torch"),
    [
        (torchvision_resnet, "zip", "pth", True),
        (torchvision_resnet, "legacy", "pth", True),
        (mindcv_resnet, "ckpt", "ckpt", False),
    ],
)
def test_resnet_files(make, kind, suffix, torch, resnet50, writers, tmp_path):
    arrays = make(50)
    path = writers[kind](tmp_path / f"resnet50.{suffix}", arrays)
    report = load_backbone(zeroed(resnet50), path)
    parameters = resnet50.parameters_dict()
    assert report.path == path
    assert set(report.loaded) == set(parameters)
    unused = {name for name in arrays if name.endswith("num_batches_tracked")}
    assert set(report.dropped) == unused | (
        {"fc.weight", "fc.bias"} if torch else {"classifier.weight", "classifier.bias"}
    )
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.asnumpy(), arrays[resnet_name(name, torch=torch)], err_msg=name)
    assert not any(parameter.requires_grad for parameter in resnet50.stage2.get_parameters())  # still frozen


@pytest.mark.parametrize(
    ("make", "title"), [(zoo_resnet, "MindSpore zoo ResNet"), (converted_zoo_resnet, "convert_checkpoint.py")]
)
def test_resnet_files_of_the_model_zoo(make, title, resnet50):
    arrays = make(50)
    report = fill_backbone(zeroed(resnet50), WeightsFile(Path("resnet50.ckpt"), "mindspore", arrays))
    assert title in report.layout
    parameters = resnet50.parameters_dict()
    assert set(report.loaded) == set(parameters)
    extra = {"end_point.weight", "end_point.bias", "learning_rate", "global_step", "momentum"}
    assert {name for name in report.dropped if not name.startswith("moments.")} == extra
    published = mindcv_resnet(50)  # under the same names but for the shortcuts, whose values depend on the name
    for name, parameter in parameters.items():
        np.testing.assert_array_equal(parameter.asnumpy(), published[resnet_name(name, torch=False)], err_msg=name)


def mobilenet_blocks(mobilenet: MobileNetV1) -> list:
    stages = (mobilenet.stage2, mobilenet.stage3, mobilenet.stage4, mobilenet.stage5)
    return [
        mobilenet.stem,
        *(layer for stage in stages for block in stage for layer in (block.depthwise, block.pointwise)),
    ]


def test_mindcv_mobilenet_file(mobilenet, writers, tmp_path):
    arrays = mindcv_mobilenet()
    report = load_backbone(zeroed(mobilenet), writers["ckpt"](tmp_path / "mobilenet.ckpt", arrays))
    assert set(report.dropped) == {"classifier.weight", "classifier.bias"}
    for cell, (_, convolution, norm, _) in zip(mobilenet_blocks(mobilenet), mobilenet_layers(), strict=True):
        np.testing.assert_array_equal(cell.conv.weight.asnumpy(), arrays[f"{convolution}.weight"])
        for leaf in MINDSPORE_LEAVES.values():
            np.testing.assert_array_equal(getattr(cell.norm, leaf).asnumpy(), arrays[f"{norm}.{leaf}"])


def test_tensorflow_mobilenet_file_adds_its_bias_and_nothing_else(mobilenet, writers, tmp_path):
    arrays = tensorflow_mobilenet()
    report = load_backbone(zeroed(mobilenet), writers["npz"](tmp_path / "mobilenet.npz", arrays))
    assert set(report.dropped) == {"head/weight", "head/bias"}
    assert str(report).endswith("135 backbone parameters loaded; left out: head/bias, head/weight")
    for cell, (name, *_) in zip(mobilenet_blocks(mobilenet), mobilenet_layers(), strict=True):
        norm = cell.norm
        np.testing.assert_array_equal(cell.conv.weight.asnumpy(), arrays[f"{name}/weight"])
        np.testing.assert_array_equal(norm.beta.asnumpy(), arrays[f"{name}/bias"])
        scale = norm.gamma.asnumpy() / np.sqrt(norm.moving_variance.asnumpy() + 1e-5)
        np.testing.assert_allclose(scale, 1, rtol=1e-6)
        assert not norm.moving_mean.asnumpy().any()


def test_one_name_is_missing_one_is_new_one_has_another_shape(resnet50, writers, tmp_path):
    arrays = torchvision_resnet(50)
    arrays["layer2.0.bn9.weight"] = arrays.pop("layer2.0.bn1.weight")
    arrays["layer3.1.conv2.weight"] = arrays["layer3.1.conv2.weight"][:, :, :1].copy()
    arrays["layer4.0.bn1.bias"][3] = np.nan
    path = writers["zip"](tmp_path / "odd.pth", arrays)
    before = resnet50.stem.conv1.conv.weight.asnumpy().copy()
    resnet50.stem.conv1.conv.weight.set_data(Tensor(before + 1))
    with pytest.raises(InputError) as error:
        load_backbone(resnet50, path)
    message = str(error.value)
    assert str(path) in message
    assert "without an entry: stage3.0.conv1.norm.gamma" in message
    assert "without a place in the backbone: layer2.0.bn9.weight" in message
    assert "another shape: stage4.1.conv2.conv.weight wanted (256, 256, 3, 3), got (256, 256, 1, 3)" in message
    assert "not finite: stage5.0.conv1.norm.beta" in message
    np.testing.assert_array_equal(resnet50.stem.conv1.conv.weight.asnumpy(), before + 1)  # nothing was loaded


def test_another_depth_is_an_error(resnet50, writers, tmp_path):
    path = writers["zip"](tmp_path / "resnet101.pth", torchvision_resnet(101))
    with pytest.raises(InputError, match=r"entries without a place in the backbone: layer3\.10\.bn1\.bias, .* more"):
        load_backbone(resnet50, path)


@pytest.mark.parametrize("kind", ["npz", "ckpt"])
def test_another_architecture_is_an_error(kind, resnet50, writers, tmp_path):
    path = writers[kind](tmp_path / f"a.{kind}", {"features.0.weight": np.zeros((32, 3, 3, 3), np.float32)})
    with pytest.raises(InputError, match=r"for a ResNet wanted weights named as .* got features.0.weight"):
        load_backbone(resnet50, path)


def msra_resnet(depth: int) -> Arrays:
    """torchvision's network under the names of detectron2's MSRA pickles, whose norms are a scale and a shift."""
    arrays: Arrays = {}
    for name, value in torchvision_resnet(depth).items():
        layer, leaf = name.rsplit(".", 1)
        match = re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn|downsample\.)(\d)", layer)
        if match:
            stage, block, kind, number = match.groups()
            shortcut = kind == "downsample."
            branch = "branch1" if shortcut else f"branch2{'abc'[int(number) - 1]}"
            is_norm = kind == "bn" or (shortcut and number == "1")
            layer = f"res{int(stage) + 1}_{block}_{branch}{'_bn' if is_norm else ''}"
        layer = {"bn1": "res_conv1_bn", "fc": "fc1000"}.get(layer, layer)
        ending = {"weight": "s", "bias": "b"} if layer.endswith("bn") else {"weight": "w", "bias": "b"}
        if leaf in ending:
            arrays[f"{layer}_{ending[leaf]}"] = value
    return arrays


def test_msra_pickle(resnet50, tmp_path):
    arrays = msra_resnet(50)
    path = tmp_path / "R-50.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=2))
    report = load_backbone(zeroed(resnet50), path)
    assert report.dropped == ("fc1000_b", "fc1000_w")
    assert len(report.loaded) == len(resnet50.parameters_dict())
    blocks = {
        "stem.conv1": "res_conv1_bn",
        "stage3.0.shortcut": "res3_0_branch1_bn",
        "stage5.2.conv3": "res5_2_branch2c_bn",
    }
    parameters = {name: parameter.asnumpy() for name, parameter in resnet50.parameters_dict().items()}
    np.testing.assert_array_equal(parameters["stage3.0.conv2.conv.weight"], arrays["res3_0_branch2b_w"])
    for ours, theirs in blocks.items():
        scale = parameters[f"{ours}.norm.gamma"] / np.sqrt(
            parameters[f"{ours}.norm.moving_variance"] + np.float32(1e-5)
        )
        np.testing.assert_allclose(scale, arrays[f"{theirs}_s"], rtol=1e-6)
        np.testing.assert_array_equal(parameters[f"{ours}.norm.beta"], arrays[f"{theirs}_b"])
        assert not parameters[f"{ours}.norm.moving_mean"].any()


def test_a_backbone_inside_a_detector(writers, tmp_path):
    """There its parameters carry the name of the part."""
    path = writers["npz"](tmp_path / "weights.npz", tensorflow_mobilenet())
    whole = nn.CellList([MobileNetV1(norm="frozen", frozen_stages=0)])
    report = load_backbone(whole[0], path)
    assert len(report.loaded) == len(list(whole[0].get_parameters()))
    assert whole[0].stem.conv.weight.name != "stem.conv.weight"
    np.testing.assert_array_equal(whole[0].stem.conv.weight.asnumpy(), tensorflow_mobilenet()["Conv2d_0/weight"])
