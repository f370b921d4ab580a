"""Time of the C++ kernels against the portable operators behind the same functions.

    python benchmarks/native_kernels.py [--repeats 5] [--only roi_align]

Printed for each case: the median seconds of one call with MindSpore's operators and with the kernels, their ratio, and
the time to compile the graph for the first call. OMP_NUM_THREADS sets the kernels' threads.
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
from mindrcnn.ops.nms import nms
from mindrcnn.ops.roi_align import roi_align
from mindrcnn.ops.roi_align_adaptive import roi_align_adaptive

STRIDES = (4, 8, 16, 32)
HEIGHT, WIDTH, CHANNELS = 800, 1344, 256
ANCHORS = 245_520  # of an image of 768 x 1280 pixels, the size of the model zoo
NUMPY_SEED = 0


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Any]
    inputs: list[NDArray[Any]]
    backward: bool = False


class Forward(nn.Cell):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        return self.function(*tensors)


class ForwardBackward(nn.Cell):
    """Results and gradients of the features, which are the first four inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        pooled = self.function(*tensors)
        gradients = ops.GradOperation(get_all=True, sens_param=True)(self.function)(*tensors, pooled)
        return (pooled, *gradients[:4])


def pool_boxes(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=7, sampling_ratio=2, aligned=True)


def pool_adaptive(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align_adaptive((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=7, aligned=True)


def pool_masks(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align((p2, p3, p4, p5), STRIDES, boxes, valid, resolution=14, sampling_ratio=2, aligned=True)


def suppress(boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
    return nms(boxes, scores, valid, 0.7)


def assign_anchors(boxes: Tensor, gt_boxes: Tensor, gt_valid: Tensor, gt_crowd: Tensor) -> tuple[Tensor, Tensor]:
    return assign(
        boxes, gt_boxes, gt_valid, gt_crowd, fg_thresh=0.7, bg_thresh=0.3, low_quality="keep", low_quality_min_iou=0.0
    )


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
    return [
        Case("roi_align 512 x 7x7x256, 200x200, forward", pool_boxes, one_level),
        Case("roi_align 512 x 7x7x256, 200x200, forward and backward", pool_boxes, one_level, backward=True),
        Case("roi_align 512 x 7x7x256, pyramid, forward", pool_boxes, pyramid),
        Case("roi_align 512 x 7x7x256, pyramid, forward and backward", pool_boxes, pyramid, backward=True),
        Case("roi_align 128 x 14x14x256, pyramid, forward and backward", pool_masks, masks, backward=True),
        Case("roi_align_adaptive 512 x 7x7x256, pyramid, forward and backward", pool_adaptive, pyramid, backward=True),
        Case("nms 4000 boxes", suppress, suppression),
        Case("nms 8 rows of 2000 boxes", suppress, eight),
        Case("assign 128 objects x 245520 anchors", assign_anchors, [random_boxes(rng, (ANCHORS,), image, 600), *gt]),
    ]


def seconds(case: Case, repeats: int) -> tuple[float, float]:
    """Of the first call, which compiles, and the median of the others."""
    cell = (ForwardBackward if case.backward else Forward)(case.function)
    tensors = [Tensor.from_numpy(array) for array in case.inputs]
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        results = cell(*tensors)
        for result in results if isinstance(results, tuple) else (results,):
            result.asnumpy()
        times.append(time.perf_counter() - start)
    return times[0], statistics.median(times[1:])


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
            portable_first, portable = seconds(case, options.repeats)
        native_first, native = seconds(case, options.repeats)
        print(
            f"{case.name:66} portable {portable:.4f} s   native {native:.4f} s   {portable / native:.1f} times"
            f"   first call {portable_first:.1f} s and {native_first:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
