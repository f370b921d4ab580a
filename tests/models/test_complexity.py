"""Parameters and multiply-adds."""

import math
from itertools import pairwise

import pytest

from mindrcnn.build.detector import build_detector
from mindrcnn.build.mask_branches import build_mask_branch
from mindrcnn.config.loader import parse_config
from mindrcnn.models.backbones.mobilenet_v1 import STAGES, MobileNetV1
from mindrcnn.models.backbones.resnet import Bottleneck
from mindrcnn.models.complexity import _chain, count_backbone, count_multiply_adds, count_parameters
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.ops.losses import at_least_one

SMALL = """
model:
  backbone: {name: mobilenet_v1, frozen_stages: 2}
  fpn: {out_channels: 8}
  box: {fc_channels: 16, resolution: 3}
  mask: MASK
"""
PYRAMID = 16 * 16 + 8 * 8 + 4 * 4 + 2 * 2 + 1 * 1  # cells of P2..P6 at 64 x 64
RPN = (9 * 8 * 8 + 8 * 3 + 8 * 12) * PYRAMID  # 3 anchors a cell
NECK = sum((c * 8 + 9 * 8 * 8) * side**2 for c, side in ((128, 16), (256, 8), (512, 4), (1024, 2)))
BOX = 8 * 9 * 16 + 16 * 16 + 16 * 4 + 16 * 12  # 3 classes
MASKS = {
    "null": 0,
    "{type: mask_rcnn, resolution: 4, num_convs: 1, channels: 8}": (9 * 64 + 4 * 64 + 4 * 8) * 16,
    "{type: ms_rcnn, resolution: 4, num_convs: 1, channels: 8, iou_num_convs: 2, iou_channels: 8, "
    "iou_fc_channels: 5}": ((9 * 64 + 4 * 64 + 4 * 8) * 16 + 9 * 9 * 8 * 16 + 9 * 64 * 4 + 8 * 4 * 5 + 25 + 5 * 3),
    "{type: point_rend, resolution: 4, fc_channels: 5, point_layers: 1, point_channels: 6, subdivision_steps: 3, "
    "subdivision_points: 20}": (4 * 64 * 4 + 8 * 4 * 5 + 25 + 5 * 3 * 4 + ((8 + 3) * 6 + (6 + 3)) * (4 * 4 + 2 * 20)),
}


def test_mobilenet_has_the_published_number_of_multiply_adds() -> None:
    published = 569  # millions, table 4 of arXiv:1704.04861, of which the classifier has 1024 x 1000
    count = count_backbone(MobileNetV1(norm="frozen", frozen_stages=0), 224, 224)
    assert round((count + 1024 * 1000) / 1e6) == published


def test_a_shortcut_reads_the_map_before_the_block() -> None:
    block = Bottleneck(in_channels=8, out_channels=16, stride=2, stride_in="3x3", norm="frozen")
    count = sum(math.prod(layer.weight.shape) * cells for layer, cells in _chain(block, 1, 8, 8))
    assert count == 8 * 4 * 64 + 9 * 4 * 4 * 16 + 4 * 16 * 16 + 8 * 16 * 16


@pytest.fixture(scope="module")
def detector() -> TwoStageDetector:
    return build_detector(parse_config(SMALL.replace("MASK", "null"), "x.yaml").model, 3)


@pytest.mark.parametrize("mask", MASKS)
def test_a_detector(mask: str, detector: TwoStageDetector) -> None:
    model = parse_config(SMALL.replace("MASK", mask), "x.yaml").model
    detector.mask = build_mask_branch(model, 3, 16, at_least_one)
    backbone = count_backbone(detector.backbone, 64, 64)
    count = count_multiply_adds(detector, 64, 64, proposals=10, detections=7)
    assert count == backbone + NECK + RPN + 10 * BOX + 7 * MASKS[mask]


def test_frozen_parameters_do_not_train(detector: TwoStageDetector) -> None:
    total, trained = count_parameters(detector.backbone)
    blocks = [settings for group in STAGES for settings in group]
    widths = [32, *(channels for channels, _ in blocks)]
    convolutions = 3 * 32 * 9 + sum(9 * before + before * after for before, after in pairwise(widths))
    norms = 4 * (32 + sum(before + after for before, after in pairwise(widths)))
    assert total == convolutions + norms
    frozen = 3 * 32 * 9 + 9 * (32 + 64 + 128) + 32 * 64 + 64 * 128 + 128 * 128  # stem and the first three blocks
    assert trained == convolutions - frozen
