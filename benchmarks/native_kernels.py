"""Time of the C++ kernels against the portable operators behind the same functions.

    python benchmarks/native_kernels.py [--repeats 5] [--only roi_align]

Printed for each case: the median seconds of one call with MindSpore's operators and with the kernels, in brackets the
fastest (which tells more on a busy machine), the ratio of each, and the time to compile the graph for the first call.
OMP_NUM_THREADS sets the kernels' threads. Pasting, which needs no graph, is in benchmarks/paste.py.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from mindrcnn.native.switch import in_use, portable_only
from mindrcnn.ops.assignment import assign
from mindrcnn.ops.mask_targets import crop_masks
from mindrcnn.ops.nms import nms
from mindrcnn.ops.point_sample import point_sample, sample_maps
from mindrcnn.ops.roi_align import ADAPTIVE, roi_align

STRIDES = (4, 8, 16, 32)
HEIGHT, WIDTH, CHANNELS = 800, 1344, 256
ANCHORS = 245_520  # of an image of 768 x 1280 pixels, the size of the model zoo
NUMPY_SEED = 0


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Any]
    inputs: list[NDArray[Any]]
    gradients: int = 0  # of so many inputs, the first ones, in the same call


class Forward(nn.Cell):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        return self.function(*tensors)


class ForwardBackward(nn.Cell):
    """Results and the gradients of the first inputs."""

    def __init__(self, function: Callable[..., Any], gradients: int) -> None:
        super().__init__()
        self.function = function
        self.gradients = gradients

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        result = self.function(*tensors)
        gradients = ops.GradOperation(get_all=True, sens_param=True)(self.function)(*tensors, result)
        return (result, *gradients[: self.gradients])


def pool_boxes(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=7, sampling_ratio=2, aligned=True)


def pool_adaptive(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=7, sampling_ratio=ADAPTIVE, aligned=True)


def pool_masks(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=14, sampling_ratio=2, aligned=True)


def suppress(boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    return nms(boxes, scores, valid, 0.7)


def assign_anchors(boxes: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor) -> tuple[Tensor, Tensor]:
    return assign(
        boxes, gt_boxes, gt_valid, gt_crowd, fg_thresh=0.7, bg_thresh=0.3, low_quality="keep", low_quality_min_iou=0.0
    )


def crop(gt_masks: Tensor, gt_boxes: Tensor, matched_gt: Tensor, boxes: Tensor) -> Tensor:
    return crop_masks(gt_masks, gt_boxes, matched_gt, boxes, 28)


def random_boxes(
    rng: np.random.Generator, shape: tuple[int, ...], image: tuple[int, int], largest: float
) -> NDArray[np.float32]:
    """Boxes of all sizes up to `largest`, clipped to the image (height, width)."""
    height, width = image
    side = np.exp(rng.uniform(np.log(16), np.log(largest), (*shape, 2)))
    centre = rng.uniform(0, 1, (*shape, 2)) * (width, height)
    boxes = np.concatenate([centre - side / 2, centre + side / 2], -1)
    return np.clip(boxes, 0, (width, height) * 2).astype(np.float32)


def pooling_inputs(images: int, slots: int, image: tuple[int, int], largest: float) -> list[NDArray[Any]]:
    rng = np.random.default_rng(NUMPY_SEED)
    shapes = [(images, CHANNELS, image[0] // stride, image[1] // stride) for stride in STRIDES]
    features = [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]
    return [*features, random_boxes(rng, (images, slots), image, largest), np.ones((images, slots), bool)]


def point_inputs(rows: int, points: int) -> list[NDArray[Any]]:
    """P2, and points in boxes of all sizes, in cells."""
    rng = np.random.default_rng(NUMPY_SEED)
    height, width = HEIGHT // STRIDES[0], WIDTH // STRIDES[0]
    boxes = random_boxes(rng, (rows, 1), (height, width), 150)
    places = boxes[..., :2] + (boxes[..., 2:] - boxes[..., :2]) * rng.random((rows, points, 2), dtype=np.float32)
    return [rng.standard_normal((1, CHANNELS, height, width), dtype=np.float32), np.zeros(rows, np.int32), places]


def target_inputs(samples: int) -> list[NDArray[Any]]:
    """Masks of 112 x 112 and boxes near those of their objects."""
    rng = np.random.default_rng(NUMPY_SEED)
    gt_boxes = random_boxes(rng, (1, 128), (HEIGHT, WIDTH), 600)
    matched = rng.integers(0, 128, (1, samples)).astype(np.int32)
    boxes = np.take_along_axis(gt_boxes, matched[..., None], axis=1) + rng.normal(0, 8, (1, samples, 4))
    masks = rng.integers(0, 2, (1, 128, 112, 112)).astype(np.uint8)
    return [masks, gt_boxes, matched, boxes.astype(np.float32)]


def cases() -> list[Case]:
    rng = np.random.default_rng(NUMPY_SEED)
    one_level = pooling_inputs(1, 512, (800, 800), 110)  # all on P2, which has 200 x 200 cells
    pyramid = pooling_inputs(1, 512, (HEIGHT, WIDTH), 600)
    masks = pooling_inputs(1, 128, (HEIGHT, WIDTH), 600)
    image = (HEIGHT, WIDTH)
    suppression = [
        random_boxes(rng, (1, 4000), image, 600),
        np.linspace(1, 0, 4000, dtype=np.float32)[None],
        np.ones((1, 4000), bool),
    ]
    eight = [np.tile(array[:, :2000], (8,) + (1,) * (array.ndim - 1)) for array in suppression]
    gt = [random_boxes(rng, (1, 128), image, 600), np.ones((1, 128), bool), np.zeros((1, 128), bool)]
    coarse = [rng.standard_normal((100, 80, 7, 7), dtype=np.float32), rng.random((100, 784, 2), dtype=np.float32)]
    return [
        Case("roi_align 512 x 7x7x256, 200x200, forward", pool_boxes, one_level),
        Case("roi_align 512 x 7x7x256, 200x200, forward and backward", pool_boxes, one_level, gradients=4),
        Case("roi_align 512 x 7x7x256, pyramid, forward", pool_boxes, pyramid),
        Case("roi_align 512 x 7x7x256, pyramid, forward and backward", pool_boxes, pyramid, gradients=4),
        Case("roi_align 128 x 14x14x256, pyramid, forward and backward", pool_masks, masks, gradients=4),
        Case("roi_align adaptive 512 x 7x7x256, pyramid, forward and backward", pool_adaptive, pyramid, gradients=4),
        Case("nms 4000 boxes", suppress, suppression),
        Case("nms 8 rows of 2000 boxes", suppress, eight),
        Case("assign 128 objects x 245520 anchors", assign_anchors, [random_boxes(rng, (ANCHORS,), image, 600), *gt]),
        Case("sample_maps 128 x 196 points, 256x200x336, forward", sample_maps, point_inputs(128, 196)),
        Case(
            "sample_maps 128 x 196 points, 256x200x336, forward and backward",
            sample_maps,
            point_inputs(128, 196),
            gradients=1,
        ),
        Case("sample_maps 100 x 784 points, 256x200x336, forward", sample_maps, point_inputs(100, 784)),
        Case("point_sample 100 x 784 points, 100x80x7x7, forward", point_sample, coarse),
        Case("crop_masks 128 boxes, 28x28 of 112x112", crop, target_inputs(128)),
    ]


def seconds(case: Case, repeats: int) -> tuple[float, float, float]:
    """Of the first call, which compiles, and of the others the median and the fastest."""
    cell = ForwardBackward(case.function, case.gradients) if case.gradients else Forward(case.function)
    tensors = [Tensor.from_numpy(array) for array in case.inputs]
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        results = cell(*tensors)
        for result in results if isinstance(results, tuple) else (results,):
            result.asnumpy()
        times.append(time.perf_counter() - start)
    return times[0], statistics.median(times[1:]), min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    if not in_use():
        raise SystemExit("the native kernels are not in use here")
    for case in cases():
        if options.only not in case.name:
            continue
        with portable_only():
            portable_first, portable, portable_fastest = seconds(case, options.repeats)
        native_first, native, native_fastest = seconds(case, options.repeats)
        print(
            f"{case.name:66} portable {portable:.4f} ({portable_fastest:.4f}) s"
            f"   native {native:.4f} ({native_fastest:.4f}) s"
            f"   {portable / native:.1f} ({portable_fastest / native_fastest:.1f}) times"
            f"   first call {portable_first:.1f} s and {native_first:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
