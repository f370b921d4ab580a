"""This package's kernels, called through the functions of ops/ and evaluation/ in graph mode."""

import time
from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from benchmarks import kernel_inputs as inputs
from benchmarks.scene import disc
from benchmarks.worker import Prepared, repeated
from mindrcnn.build.mask_branches import build_pooler
from mindrcnn.config.model import RoiAlignConfig
from mindrcnn.evaluation.paste import encode_masks
from mindrcnn.ops.assignment import assign
from mindrcnn.ops.mask_targets import crop_masks
from mindrcnn.ops.nms import nms
from mindrcnn.ops.point_sample import point_sample


class Forward(nn.Cell):
    """A function as a graph of its own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *tensors: Tensor) -> Any:
        return self.function(*tensors)


class ForwardBackward(nn.Cell):
    """The result, which is also its own upstream gradient, and the gradients of the first `count` inputs."""

    def __init__(self, function: Callable[..., Any], count: int) -> None:
        super().__init__()
        self.function = function
        self.count = count
        self.gradient = ops.GradOperation(get_all=True, sens_param=True)

    def construct(self, *tensors: Tensor) -> Any:
        result = self.function(*tensors)
        gradients = self.gradient(self.function)(*tensors, result)
        return (result, *gradients[: self.count])


def graph(function: Callable[..., Any], arrays: list[NDArray[Any]], *, gradients: int = 0) -> Prepared:
    """Prepares calls of the compiled function until its results are on the host."""
    ms.set_context(mode=ms.GRAPH_MODE)
    cell = ForwardBackward(function, gradients) if gradients else Forward(function)
    tensors = [Tensor.from_numpy(array) for array in arrays]
    started = time.perf_counter()
    cell.compile(*tensors)
    compiled = time.perf_counter() - started

    def call() -> None:
        results = cell(*tensors)
        for result in results if isinstance(results, tuple) else (results,):
            result.asnumpy()

    return Prepared(run=repeated(call), compile_seconds=compiled)


def pool(*, boxes: int, resolution: int, one_level: bool, backward: bool, adaptive: bool = False) -> Prepared:
    """Prepares ROIAlign with two samples per bin and axis, or with as many as the bin has cells."""
    given = inputs.pooling_inputs(boxes, one_level=one_level)

    pooler = build_pooler(RoiAlignConfig(sampling_ratio=0 if adaptive else 2), resolution)

    def run(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
        return pooler((p2, p3, p4, p5), boxes, valid)

    arrays = [*given.features, given.boxes[None], np.ones((1, boxes), bool)]
    return graph(run, arrays, gradients=4 if backward else 0)


def suppress(*, boxes: int, rows: int = 1) -> Prepared:
    """Prepares NMS at 0.7 of `rows` equal sets of boxes."""

    def run(candidates: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
        return nms(candidates, scores, valid, 0.7)

    return graph(
        run,
        [
            np.tile(inputs.boxes_of(boxes), (rows, 1, 1)),
            np.tile(inputs.scores_of(boxes), (rows, 1)),
            np.ones((rows, boxes), bool),
        ],
    )


def match(*, objects: int) -> Prepared:
    """Prepares the assignment of all anchors of an image with the RPN's thresholds."""

    def run(anchors: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor) -> tuple[Tensor, Tensor]:
        return assign(
            anchors,
            gt_boxes,
            gt_valid,
            gt_crowd,
            fg_thresh=0.7,
            bg_thresh=0.3,
            low_quality="keep",
            low_quality_min_iou=0.0,
        )

    gt = [inputs.boxes_of(objects)[None], np.ones((1, objects), bool), np.zeros((1, objects), bool)]
    return graph(run, [inputs.boxes_of(inputs.ANCHORS), *gt])


def crop(*, samples: int, objects: int, side: int) -> Prepared:
    """Prepares mask targets of samples, from masks stored in the objects' own boxes."""

    def run(masks: Tensor, gt_boxes: Tensor, matched: Tensor, boxes: Tensor) -> Tensor:
        return crop_masks(masks, gt_boxes, matched, boxes, side)

    masks = np.tile(disc(112), (1, objects, 1, 1))
    matched = (np.arange(samples, dtype=np.int32) % objects)[None]
    return graph(run, [masks, inputs.boxes_of(objects)[None], matched, inputs.boxes_of(samples)[None]])


def sample(*, maps: int, channels: int, height: int, width: int, points: int, backward: bool) -> Prepared:
    """Prepares bilinear samples of maps at points."""
    arrays = [inputs.maps_of(maps, channels, height, width), inputs.points_of(maps, points)]
    return graph(point_sample, arrays, gradients=1 if backward else 0)


def paste(*, masks: int, side: int) -> Prepared:
    """Prepares pasting masks into an 800x1344 image and their RLE."""
    probabilities, boxes = inputs.blobs(masks, side), inputs.boxes_of(masks, largest=inputs.HEIGHT)
    return Prepared(run=repeated(lambda: encode_masks(probabilities, boxes, height=inputs.HEIGHT, width=inputs.WIDTH)))
