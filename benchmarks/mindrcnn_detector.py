"""Inference and training steps of this package, built from its configuration files."""

import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from mindspore import Tensor, nn
from numpy.typing import NDArray

from benchmarks.scene import CLASSES, POSITIVE_IOU, Scene, disc, make_scene
from benchmarks.worker import Prepared
from mindrcnn.build.detector import build_detector
from mindrcnn.build.device import set_device
from mindrcnn.build.training import build_optimizer
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.image_detector import image_detections
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.predictor import NumpyPredictor

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
HEADS = {
    "faster_rcnn": "faster_rcnn_r50_fpn_1x_coco.yaml",
    "mask_rcnn": "mask_rcnn_r50_fpn_1x_coco.yaml",
    "ms_rcnn": "ms_rcnn_r50_caffe_fpn_1x_coco.yaml",
    "point_rend": "point_rend_r50_fpn_1x_coco.yaml",
}
# No score threshold, so that every detection slot is filled.
OVERRIDES = ("model.box.score_thresh=0", "model.backbone.weights=")
LEARNING_RATE = 1e-6  # the weights are random and must stay as they are, and finite
MOST_STEPS = 10_000  # length of the optimizer's list of learning rates
# Scale of the last norm of every bottleneck. With 1, as after construction, activations double in each of 16 blocks.
RESIDUAL_SCALE = 0.2


def open_config(head: str, overrides: tuple[str, ...]) -> Config:
    """Loads the head set's COCO recipe with the overrides common to all cases."""
    return load_config(CONFIGS / HEADS[head], (*OVERRIDES, *overrides))


def random_detector(config: Config, num_classes: int = CLASSES) -> TwoStageDetector:
    """Builds a detector with fresh parameters whose activations have the size that training leaves."""
    set_device(config.device, seed=0)
    detector = build_detector(config.model, num_classes)
    last_norms = [
        parameter
        for parameter in detector.get_parameters()
        if parameter.name.startswith("backbone.") and parameter.name.endswith("conv3.norm.gamma")
    ]
    assert last_norms, "the bottlenecks' parameters have other names now"
    for parameter in last_norms:
        parameter.set_data(Tensor(np.full(parameter.shape, RESIDUAL_SCALE, np.float32)))
    return detector


def inference(*, head: str, batch: int, height: int, width: int, proposals: int = 1000) -> Prepared:
    """Prepares uint8 images to detections, with masks pasted into the images and run-length encoded."""
    overrides = (f"model.rpn.post_nms_topk.test={proposals}",)
    predict = NumpyPredictor(detector=random_detector(open_config(head, overrides)))
    images = make_scene(batch=batch, height=height, width=width, objects=1).images
    sizes = np.tile(np.array([[height, width]], np.int32), (batch, 1))
    started = time.perf_counter()
    predict.predictor.set_train(False)
    predict.predictor.compile(Tensor.from_numpy(images), Tensor.from_numpy(sizes))
    compiled = time.perf_counter() - started
    facts: dict[str, Any] = {}

    def run() -> None:
        outputs = predict(images, sizes)
        found = [image_results(outputs, index, (height, width)) for index in range(batch)]
        facts["detections"] = found

    return Prepared(run=run, compile_seconds=compiled, facts=lambda: facts)


def image_results(outputs: tuple[NDArray[Any], ...], index: int, size: tuple[int, int]) -> int:
    """Pastes and encodes the masks of one image; returns its number of detections."""
    detections = image_detections(outputs, index, valid_size=size, original_size=size)
    return len(detections) if detections.rle is None else len(detections.rle)


def recipe_overrides(*, proposals: int) -> tuple[str, ...]:
    """Returns the overrides of training cases: as many proposals as torchvision trains on, and enough positives."""
    return (
        f"model.rpn.post_nms_topk.train={proposals}",
        f"model.roi_sampling.fg_iou_thresh={POSITIVE_IOU}",
        f"model.roi_sampling.bg_iou_thresh={POSITIVE_IOU}",
    )


def padded_batch(scene: Scene, *, config: Config, slots: int) -> SimpleNamespace:
    """Returns a scene in the form that engine/step/feed.py reads, with `slots` object slots per image."""
    batch, objects = scene.labels.shape
    mask_side = config.data.mask_side if config.model.mask is not None else 1
    boxes = np.zeros((batch, slots, 4), np.float32)
    labels = np.zeros((batch, slots), np.int32)
    masks = np.zeros((batch, slots, mask_side, mask_side), np.uint8)
    boxes[:, :objects], labels[:, :objects], masks[:, :objects] = scene.boxes, scene.labels, disc(mask_side)
    return SimpleNamespace(
        images=scene.images,
        image_sizes=np.tile(np.array([scene.images.shape[2:]], np.int32), (batch, 1)),
        gt_boxes=boxes,
        gt_labels=labels,
        gt_valid=labels > 0,
        gt_crowd=np.zeros((batch, slots), bool),
        gt_masks=masks,
    )


def build_step(config: Config, detector: TwoStageDetector) -> tuple[TrainStep, nn.Optimizer]:
    """Returns a training step as train.py builds it, and its optimizer."""
    optimizer = build_optimizer(config.train, detector, np.full(MOST_STEPS, LEARNING_RATE, np.float32))
    network = TrainingLosses(detector=detector)
    return TrainStep(network=network, optimizer=optimizer, clip_norm=config.train.optimizer.clip_norm), optimizer


def training(
    *, head: str, batch: int, height: int, width: int, objects: int, slots: int = 128, proposals: int = 2000
) -> Prepared:
    """Prepares one optimization step, including sampling noise, until its losses are on the host."""
    config = open_config(head, recipe_overrides(proposals=proposals))
    detector = random_detector(config)
    step, _ = build_step(config, detector)
    example = padded_batch(
        make_scene(batch=batch, height=height, width=width, objects=objects), config=config, slots=slots
    )
    feed = BatchFeed(noise_shapes=detector.noise_shapes, seed=0)
    started = time.perf_counter()
    step.compile(*feed(example, 0))
    compiled = time.perf_counter() - started
    losses: dict[str, float] = {}
    numbers = itertools.count()

    def run() -> None:
        values, _ = step(*feed(example, next(numbers)))
        losses.update(zip(detector.loss_names, (float(value.asnumpy()) for value in values), strict=True))

    def facts() -> Mapping[str, Any]:
        return {"parameters": len(detector.trainable_params()), "losses": losses}

    return Prepared(run=run, compile_seconds=compiled, facts=facts)
