"""State dicts: of the reference implementations, rebuilt from names and shapes; and made up for the other libraries."""

import importlib.util
import json
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

State = dict[str, np.ndarray]
TORCH_NORM = ("weight", "bias", "running_mean", "running_var")
MINDSPORE_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """All elements equal, so that the arrays take no memory; rows of a first axis up to 400 differ by row."""
    base = np.float32(zlib.crc32(name.encode()) % 1000 / 1000)
    if shape and shape[0] <= 400 and len(shape) <= 2:
        rows = base + np.arange(shape[0], dtype=np.float32)
        return np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1)), shape)
    return np.broadcast_to(base, shape)


def add(state: State, name: str, *shape: int) -> None:
    state[name] = value(name, shape)


def add_norm(state: State, name: str, channels: int, leaves: tuple[str, ...]) -> None:
    for leaf in leaves:
        add(state, f"{name}.{leaf}", channels)


def add_layer(state: State, name: str, *shape: int) -> None:
    add(state, f"{name}.weight", *shape)
    add(state, f"{name}.bias", shape[0])


def resnet_layers(prefix: str, shortcut: tuple[str, str], leaves: tuple[str, ...]) -> State:
    """layer1..layer4 of ResNet-50."""
    state: State = {}
    channels = 64
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        width = 32 << layer
        for block in range(blocks):
            name = f"{prefix}layer{layer}.{block}"
            shapes = {"1": (width, channels, 1, 1), "2": (width, width, 3, 3), "3": (4 * width, width, 1, 1)}
            for number, shape in shapes.items():
                add(state, f"{name}.conv{number}.weight", *shape)
                add_norm(state, f"{name}.bn{number}", shape[0], leaves)
            if block == 0:
                add(state, f"{name}.{shortcut[0]}.weight", 4 * width, channels, 1, 1)
                add_norm(state, f"{name}.{shortcut[1]}", 4 * width, leaves)
            channels = 4 * width
    return state


def maskrcnn_benchmark(classes: int = 80) -> State:
    """e2e_mask_rcnn_R_50_FPN, with MaskIoU head left out, as saved from DataParallel."""
    state = resnet_layers("backbone.body.", ("downsample.0", "downsample.1"), TORCH_NORM)
    add(state, "backbone.body.stem.conv1.weight", 64, 3, 7, 7)
    add_norm(state, "backbone.body.stem.bn1", 64, TORCH_NORM)
    for level, channels in enumerate((256, 512, 1024, 2048), start=1):
        add_layer(state, f"backbone.fpn.fpn_inner{level}", 256, channels, 1, 1)
        add_layer(state, f"backbone.fpn.fpn_layer{level}", 256, 256, 3, 3)
    for level in range(5):
        add(state, f"rpn.anchor_generator.cell_anchors.{level}", 3, 4)
    add_layer(state, "rpn.head.conv", 256, 256, 3, 3)
    add_layer(state, "rpn.head.cls_logits", 3, 256, 1, 1)
    add_layer(state, "rpn.head.bbox_pred", 12, 256, 1, 1)
    add_layer(state, "roi_heads.box.feature_extractor.fc6", 1024, 12544)
    add_layer(state, "roi_heads.box.feature_extractor.fc7", 1024, 1024)
    add_layer(state, "roi_heads.box.predictor.cls_score", classes + 1, 1024)
    add_layer(state, "roi_heads.box.predictor.bbox_pred", 4 * (classes + 1), 1024)
    for number in range(1, 5):
        add_layer(state, f"roi_heads.mask.feature_extractor.mask_fcn{number}", 256, 256, 3, 3)
    add_layer(state, "roi_heads.mask.predictor.conv5_mask", 256, 256, 2, 2)
    add_layer(state, "roi_heads.mask.predictor.mask_fcn_logits", classes + 1, 256, 1, 1)
    return {f"module.{name}": array for name, array in state.items()}


def zoo_heads(box: str, neck: str, in_channels: tuple[int, ...]) -> State:
    state: State = {}
    for level, channels in enumerate(in_channels):
        add_layer(state, f"{neck}.lateral_convs_list.{level}", 256, channels, 1, 1)
        add_layer(state, f"{neck}.fpn_convs_list.{level}", 256, 256, 3, 3)
    rpn = "rpn_with_loss.rpn_convs_list.0"
    add_layer(state, f"{rpn}.rpn_conv", 256, 256, 3, 3)
    add_layer(state, f"{rpn}.rpn_cls", 3, 256, 1, 1)
    add_layer(state, f"{rpn}.rpn_reg", 12, 256, 1, 1)
    for layer, inputs, outputs in (
        ("shared_fc_0", 12544, 1024),
        ("shared_fc_1", 1024, 1024),
        ("cls_scores", 1024, 81),
        ("reg_scores", 1024, 324),
    ):
        add(state, f"{box}.{layer}.weight", outputs, inputs)
        state[f"{box}.{layer}.weight"] = state[f"{box}.{layer}.weight"].T  # stored as (inputs, outputs)
        add(state, f"{box}.{layer}.bias", outputs)
    add(state, "global_step", 1)
    add(state, "learning_rate", 1)
    add(state, f"accum.{rpn}.rpn_conv.weight", 256, 256, 3, 3)
    return state


def zoo_faster_rcnn() -> State:
    """official/cv/FasterRCNN, ResNet-50, an older checkpoint with its misspelt neck."""
    state = resnet_layers("backbone.", ("conv_down_sample", "bn_down_sample"), MINDSPORE_NORM)
    add(state, "backbone.conv1.weight", 64, 3, 7, 7)
    add_norm(state, "backbone.bn1", 64, MINDSPORE_NORM)
    return state | zoo_heads("rcnn", "fpn_ncek", (256, 512, 1024, 2048))


def zoo_mask_rcnn_mobilenet() -> State:
    """official/cv/MaskRCNN/maskrcnn_mobilenetv1."""
    state = zoo_heads("rcnn_cls.fpn_cls", "fpn_neck", (128, 256, 512, 1024))
    network = "backbone.mobilenet_v1.network"
    add(state, f"{network}.0.0.weight", 32, 3, 3, 3)
    add_norm(state, f"{network}.0.1", 32, MINDSPORE_NORM)
    channels = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    for block in range(13):
        before, after = channels[block], channels[block + 1]
        for place, shape in ((2 * block + 1, (before, 1, 3, 3)), (2 * block + 2, (after, before, 1, 1))):
            add(state, f"{network}.{place}.0.weight", *shape)
            add_norm(state, f"{network}.{place}.1", shape[0], MINDSPORE_NORM)
    for number in range(1, 5):
        add_layer(state, f"rcnn_mask.fpn_mask.mask_conv{number}", 256, 256, 3, 3)
    add_layer(state, "rcnn_mask.fpn_mask.mask_deconv5", 256, 256, 2, 2)
    add_layer(state, "rcnn_mask.fpn_mask.mask_conv6", 81, 256, 1, 1)
    return state


def zoo_point_rend() -> State:
    """The zoo's PointRend: Mask R-CNN ResNet-50 and two heads, with a row for the background in the masks."""
    state = zoo_faster_rcnn()
    add_layer(state, "rcnn_mask.fpn_mask.mask_conv1", 256, 256, 3, 3)  # of the Mask R-CNN, without use
    add_layer(state, "mask_coarse_head.reduce_spatial_dim_conv", 256, 256, 2, 2)
    add_layer(state, "mask_coarse_head.fcs_seq.0", 1024, 12544)
    add_layer(state, "mask_coarse_head.fcs_seq.1", 1024, 1024)
    add_layer(state, "mask_coarse_head.prediction", 81 * 49, 1024)
    for number in range(3):
        add_layer(state, f"mask_point_head.seq.{number}", 256, 256 + 81, 1, 1)
    add_layer(state, "mask_point_head.predictor", 81, 256 + 81, 1, 1)
    rows = np.arange(256 + 81, dtype=np.float32).reshape(1, -1, 1, 1)
    state["mask_point_head.seq.1.weight"] = np.broadcast_to(rows, (256, 256 + 81, 1, 1))
    return state


def zoo_ms_rcnn(shortcut: tuple[str, str] = ("down_sample_layer.0", "down_sample_layer.1")) -> State:
    """Mask Scoring R-CNN of the zoo's research models, derived from mmdetection."""
    state = resnet_layers("backbone.", shortcut, MINDSPORE_NORM)
    add(state, "backbone.conv1.weight", 64, 3, 7, 7)
    add_norm(state, "backbone.bn1", 64, MINDSPORE_NORM)
    for level, channels in enumerate((256, 512, 1024, 2048)):
        add_layer(state, f"neck.lateral_convs.{level}.conv", 256, channels, 1, 1)
        add_layer(state, f"neck.fpn_convs.{level}.conv", 256, 256, 3, 3)
    for layer, outputs, size in (("rpn_conv", 256, 3), ("rpn_cls", 3, 1), ("rpn_reg", 12, 1)):
        add_layer(state, f"rpn_head.{layer}", outputs, 256, size, size)
    for layer, outputs, inputs in (
        *(("shared_fcs.0", 1024, 12544), ("shared_fcs.1", 1024, 1024)),
        *(("fc_cls", 81, 1024), ("fc_reg", 320, 1024)),
    ):
        add_layer(state, f"bbox_head.{layer}", outputs, inputs)
    for number in range(4):
        add_layer(state, f"mask_head.convs.{number}.conv", 256, 256, 3, 3)
        add_layer(state, f"mask_iou_head.convs.{number}", 256, 257 if number == 0 else 256, 3, 3)
    add_layer(state, "mask_head.upsample", 256, 256, 2, 2)
    add_layer(state, "mask_head.conv_logits", 80, 256, 1, 1)
    for layer, outputs, inputs in (("fcs.0", 1024, 12544), ("fcs.1", 1024, 1024), ("fc_mask_iou", 80, 1024)):
        add_layer(state, f"mask_iou_head.{layer}", outputs, inputs)
    add(state, "moments.rpn_head.rpn_conv.weight", 256, 256, 3, 3)
    add(state, "learning_rate", 1)
    return state


@pytest.fixture(scope="session")
def reference_state(golden: Path) -> Callable[[str], State]:
    """Case name -> the reference's state dict."""
    spec = importlib.util.spec_from_file_location("fill", golden / "fill.py")
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)

    @cache
    def build(case: str) -> State:
        meta = json.loads((golden / f"{case}.json").read_text())
        return {
            name: fill.fill(name, shape, meta["gains"], meta["seed"]).reshape(shape)
            for name, shape in meta["shapes"].items()
        }

    return build


@pytest.fixture(scope="session")
def made_up_state() -> Callable[[str], State]:
    """Library -> a state dict with its names and shapes."""
    makers = {
        "maskrcnn_benchmark": maskrcnn_benchmark,
        "zoo_faster_rcnn": zoo_faster_rcnn,
        "zoo_mask_rcnn_mobilenet": zoo_mask_rcnn_mobilenet,
        "zoo_point_rend": zoo_point_rend,
        "zoo_ms_rcnn": zoo_ms_rcnn,
    }
    return lambda library: makers[library]()
