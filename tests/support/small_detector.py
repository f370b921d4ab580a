"""A small detector, a batch and the tensors of a step, for tests of whole models."""

from dataclasses import replace

import mindspore as ms
import numpy as np
from few_layers import FewLayersConfig, registered
from mindspore import Tensor

from mindrcnn.build.detector import build_detector
from mindrcnn.config.model import (
    AnchorConfig,
    BackboneConfig,
    BoxConfig,
    FPNConfig,
    MaskRCNNConfig,
    ModelConfig,
    PixelConfig,
    RoiSamplingConfig,
    RPNConfig,
    TrainTestPair,
)
from mindrcnn.models.detector import TwoStageDetector

CLASSES = 3
BATCH, HEIGHT, WIDTH, SLOTS = 2, 64, 96, 3
OBJECTS = ("gt_boxes", "gt_labels", "gt_valid", "gt_crowd", "gt_masks")
MODEL = ModelConfig(
    pixel=PixelConfig(mean=(128.0, 120.0, 110.0), std=(64.0, 60.0, 70.0)),
    backbone=BackboneConfig(name="mobilenet_v1", norm="batch", frozen_stages=0),
    fpn=FPNConfig(out_channels=16),
    anchors=AnchorConfig(sizes=(8.0, 16.0, 32.0, 64.0, 128.0)),
    rpn=RPNConfig(
        pre_nms_topk=TrainTestPair(train=30, test=20),
        post_nms_topk=TrainTestPair(train=40, test=25),
        batch_size_per_image=64,
    ),
    roi_sampling=RoiSamplingConfig(batch_size_per_image=16),
    box=BoxConfig(resolution=3, fc_channels=32, score_thresh=0.0, detections_per_image=12),
    mask=MaskRCNNConfig(resolution=4, num_convs=1, channels=16),
)
FEW_LAYERS = replace(MODEL, backbone=FewLayersConfig(norm="batch", frozen_stages=0))  # compiles in half the time
Arrays = dict[str, np.ndarray]


def make_detector(
    model: ModelConfig = MODEL, *, widened: tuple[str, ...] = ("rpn.head", "box.head")
) -> TwoStageDetector:
    """The same parameters each time; the widened parts have weights so large that no two scores nearly tie."""
    ms.set_seed(1)
    rng = np.random.default_rng(1)
    with registered():
        detector = build_detector(model, CLASSES)
    for name, parameter in detector.parameters_dict().items():
        if name.startswith(widened) and name.endswith("weight"):
            scale = np.sqrt(2 / np.prod(parameter.shape[1:]))
            parameter.set_data(Tensor((rng.normal(size=parameter.shape) * scale).astype(np.float32)))
    return detector


def make_batch(stored: int = 8) -> Arrays:
    """Image 0 has a large and a small object, image 1, with padding, one object and a crowd; masks of stored cells."""
    rng = np.random.default_rng(0)
    gt_boxes = np.zeros((BATCH, SLOTS, 4), np.float32)
    gt_boxes[0, :2] = [[16, 2, 80, 62], [5, 30, 25, 52]]
    gt_boxes[1, :2] = [[10, 10, 44, 40], [40, 5, 70, 45]]
    gt_labels = np.array([[1, 3, 0], [2, 0, 0]], np.int32)
    return {
        "images": rng.integers(0, 256, (BATCH, 3, HEIGHT, WIDTH)).astype(np.uint8),
        "image_sizes": np.array([[HEIGHT, WIDTH], [50, 76]], np.int32),
        "gt_boxes": gt_boxes,
        "gt_labels": gt_labels,
        "gt_valid": gt_labels > 0,
        "gt_crowd": np.array([[False] * 3, [False, True, False]]),
        "gt_masks": rng.integers(0, 2, (BATCH, SLOTS, stored, stored)).astype(np.uint8),
    }


def inputs(detector: TwoStageDetector, batch: Arrays) -> tuple[Tensor, ...]:
    """A batch with its noise."""
    rng = np.random.default_rng(3)
    shapes = detector.noise_shapes(*batch["images"].shape[::2], batch["images"].shape[3], batch["gt_boxes"].shape[1])
    return tuple(Tensor(a) for a in batch.values()) + tuple(Tensor(rng.random(s).astype(np.float32)) for s in shapes)


def without_objects(batch: Arrays) -> Arrays:
    return {name: np.zeros_like(array) if name in OBJECTS else array for name, array in batch.items()}
