"""Times of this package's stages: every stage as a graph of its own, fed with the output of the stage before.

Whole graphs cannot be timed inside. A stage on its own also hands its result to Python, which takes almost no time on a
CPU. The backward pass is the remainder of the whole training step.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from benchmarks import stages
from benchmarks.mindrcnn_detector import (
    build_step,
    image_results,
    open_config,
    padded_batch,
    random_detector,
    recipe_overrides,
)
from benchmarks.scene import make_scene
from benchmarks.worker import Prepared
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.models.detector import TwoStageDetector

Tensors = tuple[Tensor, ...]
LEVELS = 5  # P2..P6


class Stage(nn.Cell):
    """One stage of a detector; inputs and results are flat tuples of tensors."""

    def __init__(self, detector: TwoStageDetector) -> None:
        super().__init__(auto_prefix=False)
        self.detector = detector


class FeaturesStage(Stage):
    """images, image_sizes -> P2..P6."""

    def construct(self, images: Tensor, image_sizes: Tensor) -> Tensors:
        return self.detector.features(images, image_sizes)


class RPNHeadStage(Stage):
    """P2..P6 -> objectness of each level, deltas of each level."""

    def construct(self, *features: Tensor) -> Tensors:
        objectness, deltas = self.detector.rpn.head(features)
        return objectness + deltas


class ProposalsStage(Stage):
    """P2..P6, objectness, deltas, image_sizes -> boxes, logits, valid."""

    def __init__(self, detector: TwoStageDetector, *, training: bool) -> None:
        super().__init__(detector)
        self.for_training = training

    def construct(self, *inputs: Tensor) -> Tensors:
        features, objectness, deltas = inputs[:LEVELS], inputs[LEVELS : 2 * LEVELS], inputs[2 * LEVELS : 3 * LEVELS]
        rpn = self.detector.rpn
        return rpn.selector(objectness, deltas, rpn.anchors(features), inputs[3 * LEVELS], self.for_training)


class RPNLossStage(Stage):
    """P2..P6, objectness, deltas, gt_boxes, gt_valid, gt_crowd, noise -> two losses."""

    def construct(self, *inputs: Tensor) -> Tensors:
        features, objectness, deltas = inputs[:LEVELS], inputs[LEVELS : 2 * LEVELS], inputs[2 * LEVELS : 3 * LEVELS]
        gt_boxes, gt_valid, gt_crowd, noise = inputs[3 * LEVELS :]
        rpn = self.detector.rpn
        return rpn.loss(
            ops.cat(objectness, axis=1),
            ops.cat(deltas, axis=1),
            ops.cat(rpn.anchors(features), axis=0),
            gt_boxes,
            gt_valid,
            gt_crowd,
            noise,
        )


class SamplingStage(Stage):
    """proposals, valid, gt_boxes, gt_labels, gt_valid, gt_crowd, noise -> samples."""

    def construct(self, *inputs: Tensor) -> Tensors:
        return self.detector.roi_sampler(*inputs)


class RoiAlignStage(Stage):
    """P2..P6, boxes, valid -> pooled features."""

    def construct(self, *inputs: Tensor) -> Tensor:
        return self.detector.box.pooler(inputs[:LEVELS], inputs[LEVELS], inputs[LEVELS + 1])


class BoxHeadStage(Stage):
    """Pooled features, valid -> logits, deltas."""

    def construct(self, pooled: Tensor, valid: Tensor) -> Tensors:
        return self.detector.box.head(pooled, valid.reshape(-1))


class DetectionsStage(Stage):
    """logits, deltas, proposals, valid, image_sizes -> detections."""

    def construct(self, *inputs: Tensor) -> Tensors:
        return self.detector.box.selector(*inputs)


class MaskBranchStage(nn.Cell):
    """One stage of a mask branch."""

    def __init__(self, mask: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.mask = mask


class MaskPredictionStage(MaskBranchStage):
    """P2..P6, detections -> masks, mask scores."""

    def construct(self, *inputs: Tensor) -> Tensors:
        return self.mask.predict(inputs[:LEVELS], inputs[LEVELS:])


class MaskLossesStage(MaskBranchStage):
    """P2..P6, four tensors of samples, five of ground truth, the branch's noise -> losses."""

    def construct(self, *inputs: Tensor) -> Tensors:
        samples, gt, noise = inputs[LEVELS : LEVELS + 4], inputs[LEVELS + 4 : LEVELS + 9], inputs[LEVELS + 9 :]
        return self.mask.losses(inputs[:LEVELS], samples, gt, *noise)


class UpdateStage(nn.Cell):
    """Gradients of all parameters -> the optimizer's step."""

    def __init__(self, optimizer: nn.Optimizer) -> None:
        super().__init__(auto_prefix=False)
        self.optimizer = optimizer
        self.factor = Tensor(1.0, ms.float32)

    def construct(self, *gradients: Tensor) -> Any:
        return self.optimizer(gradients, self.factor)


class Stopwatch:
    """Sums of seconds by name; each call is timed until its results are on the host."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, cell: Callable[..., Any], *inputs: Any) -> tuple[Any, ...]:
        started = time.perf_counter()
        results = cell(*inputs)
        results = results if isinstance(results, tuple) else (results,)
        for result in results:
            if isinstance(result, Tensor):
                result.asnumpy()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        return results


def inference(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares the stages of inference; their sum is the total."""
    detector = random_detector(open_config(head, ()))
    detector.set_train(False)
    images = Tensor.from_numpy(make_scene(batch=batch, height=height, width=width, objects=1).images)
    sizes = Tensor.from_numpy(np.tile(np.array([[height, width]], np.int32), (batch, 1)))
    features_of, rpn_head, choose = (
        FeaturesStage(detector),
        RPNHeadStage(detector),
        ProposalsStage(detector, training=False),
    )
    pool, box_head, detect = RoiAlignStage(detector), BoxHeadStage(detector), DetectionsStage(detector)
    masks_of = None if detector.mask is None else MaskPredictionStage(detector.mask)

    def paste(outputs: tuple[Tensor, ...]) -> None:
        arrays = tuple(output.asnumpy() for output in outputs)
        for index in range(batch):
            image_results(arrays, index, (height, width))

    def run() -> Mapping[str, float]:
        watch = Stopwatch()
        features = watch(stages.BACKBONE, features_of, images, sizes)
        rpn = watch(stages.RPN_HEAD, rpn_head, *features)
        boxes, _, valid = watch(stages.PROPOSALS, choose, *features, *rpn, sizes)
        pooled = watch(stages.ROI_ALIGN, pool, *features, boxes, valid)
        box_outputs = watch(stages.BOX_HEAD, box_head, *pooled, valid)
        found = watch(stages.DETECTIONS, detect, *box_outputs, boxes, valid, sizes)
        masks = () if masks_of is None else watch(stages.MASK_BRANCH, masks_of, *features, *found)
        watch(stages.PASTE, paste, (*found, *masks))
        return watch.seconds | {"total": sum(watch.seconds.values())}

    return Prepared(run=run)


def training(*, head: str, batch: int, height: int, width: int, objects: int) -> Prepared:
    """Prepares the stages of a training step: forward pass and optimizer alone, the backward pass as the remainder."""
    config = open_config(head, recipe_overrides(proposals=2000))
    detector = random_detector(config)
    step, optimizer = build_step(config, detector)
    example = padded_batch(
        make_scene(batch=batch, height=height, width=width, objects=objects), config=config, slots=128
    )
    inputs = BatchFeed(noise_shapes=detector.noise_shapes, seed=0)(example, 0)
    images, sizes, gt_boxes, gt_labels, gt_valid, gt_crowd, gt_masks, rpn_noise, roi_noise, *mask_noise = inputs
    gradients = [Tensor.from_numpy(np.zeros(parameter.shape, np.float32)) for parameter in optimizer.parameters]
    features_of, rpn_head, choose = (
        FeaturesStage(detector),
        RPNHeadStage(detector),
        ProposalsStage(detector, training=True),
    )
    rpn_loss, sampling, pool, box_head = (
        RPNLossStage(detector),
        SamplingStage(detector),
        RoiAlignStage(detector),
        BoxHeadStage(detector),
    )
    mask_losses = None if detector.mask is None else MaskLossesStage(detector.mask)
    update = UpdateStage(optimizer)
    facts: dict[str, Any] = {}

    def run() -> Mapping[str, float]:
        watch = Stopwatch()
        features = watch(stages.BACKBONE, features_of, images, sizes)
        rpn = watch(stages.RPN_HEAD, rpn_head, *features)
        boxes, _, valid = watch(stages.PROPOSALS, choose, *features, *rpn, sizes)
        watch(stages.SAMPLING, rpn_loss, *features, *rpn, gt_boxes, gt_valid, gt_crowd, rpn_noise)
        samples = watch(stages.SAMPLING, sampling, boxes, valid, gt_boxes, gt_labels, gt_valid, gt_crowd, roi_noise)
        sample_boxes, sample_labels, sample_valid, _ = samples
        facts["positives"] = [int(count) for count in (sample_labels.asnumpy() > 0).sum(axis=1)]
        pooled = watch(stages.ROI_ALIGN, pool, *features, sample_boxes, sample_valid)
        watch(stages.BOX_HEAD, box_head, *pooled, sample_valid)
        if mask_losses is not None:
            gt = (gt_boxes, gt_labels, gt_valid, gt_crowd, gt_masks)
            watch(stages.MASK_BRANCH, mask_losses, *features, *samples, *gt, *mask_noise)
        watch(stages.OPTIMIZER, update, *gradients)
        started = time.perf_counter()
        losses, _ = step(*inputs)
        losses[0].asnumpy()
        total = time.perf_counter() - started
        return watch.seconds | {stages.BACKWARD: total - sum(watch.seconds.values()), "total": total}

    return Prepared(run=run, facts=lambda: facts)
