"""Times of the portable roi_align and of ops.ROIAlign, forward and backward.

    python benchmarks/roi_align.py [--repeats 3]

Compared: the package's roi_align; MindSpore's operator on all four levels with the boxes of other levels set to zero
(it skips those) and a select by level; the operator on all boxes and all four levels. Boxes are spread over all sizes.
Printed: seconds of one forward pass and of one backward pass, and the largest difference of outputs and gradients from
the package's.
"""

import argparse
import time
from collections.abc import Callable

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from mindrcnn.native.switch import portable_only
from mindrcnn.ops.roi_align import roi_align
from mindrcnn.ops.roi_levels import fpn_level

STRIDES = (4, 8, 16, 32)
SAMPLING_RATIO = 2
# images, boxes of an image, resolution, channels, image height and width
CASES = (
    (1, 512, 7, 256, 800, 1344),
    (1, 128, 14, 256, 800, 1344),
    (8, 64, 7, 128, 160, 160),
    (8, 16, 14, 128, 160, 160),
)


class Package(nn.Cell):
    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.resolution = resolution

    def construct(self, p2, p3, p4, p5, boxes, valid):  # type: ignore[no-untyped-def]
        return roi_align(
            (p2, p3, p4, p5),
            STRIDES,
            boxes,
            valid,
            resolution=self.resolution,
            sampling_ratio=SAMPLING_RATIO,
            aligned=True,
        )


class Operator(nn.Cell):
    """ops.ROIAlign per level, in the mode whose backward pass matches its forward: roi_end_mode 1, ends moved by -1."""

    def __init__(self, resolution: int, skip_other_levels: bool) -> None:
        super().__init__()
        self.skip_other_levels = skip_other_levels
        self.operators = [ops.ROIAlign(resolution, resolution, 1.0 / stride, SAMPLING_RATIO, 1) for stride in STRIDES]

    def construct(self, p2, p3, p4, p5, boxes, valid):  # type: ignore[no-untyped-def]
        features = (p2, p3, p4, p5)
        images, slots = valid.shape
        level = fpn_level(boxes).reshape(-1, 1)
        flat, valid = boxes.reshape(-1, 4), valid.reshape(-1, 1)
        image = ops.tile(ops.arange(images).astype(ms.float32).expand_dims(1), (1, slots)).reshape(-1, 1)
        pooled = 0.0
        for index in range(4):
            here = ops.logical_and(valid, level == index)
            half = 0.5 * STRIDES[index]
            moved = ops.concat((flat[:, :2] - half, flat[:, 2:] - half - 1), axis=1)
            moved = moved * here.astype(ms.float32) if self.skip_other_levels else moved
            output = self.operators[index](features[index], ops.concat((image, moved), axis=1))
            pooled = pooled + ops.where(here.reshape(-1, 1, 1, 1), output, 0.0)
        return pooled


class Backward(nn.Cell):
    def __init__(self, forward: nn.Cell) -> None:
        super().__init__()
        self.forward = forward
        self.gradient = ops.GradOperation(get_all=True, sens_param=True)

    def construct(self, p2, p3, p4, p5, boxes, valid, sens):  # type: ignore[no-untyped-def]
        return self.gradient(self.forward)(p2, p3, p4, p5, boxes, valid, sens)[:4]


def seconds(function: Callable[[], list[NDArray[np.float32]]], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def inputs(images: int, slots: int, channels: int, height: int, width: int) -> list[Tensor]:
    rng = np.random.default_rng(0)
    features = [rng.standard_normal((images, channels, height // s, width // s)).astype(np.float32) for s in STRIDES]
    side = np.exp(rng.uniform(np.log(16), np.log(min(height, 600)), (images, slots, 2)))
    centre = rng.uniform(0, 1, (images, slots, 2)) * (width, height)
    boxes = np.clip(np.concatenate([centre - side / 2, centre + side / 2], -1), 0, (width, height) * 2)
    return [Tensor(array) for array in (*features, boxes.astype(np.float32), np.ones((images, slots), bool))]


def run_case(case: tuple[int, ...], repeats: int) -> None:
    images, slots, resolution, channels, height, width = case
    print(f"{images} x {slots} boxes, {resolution} x {resolution}, {channels} channels, image {height} x {width}")
    arguments = inputs(images, slots, channels, height, width)
    shape = (images * slots, channels, resolution, resolution)
    sens = Tensor(np.random.default_rng(1).standard_normal(shape), ms.float32)
    expected: list[NDArray[np.float32]] = []
    methods = {
        "roi_align": Package(resolution),
        "operator, other levels zero": Operator(resolution, skip_other_levels=True),
        "operator, all boxes": Operator(resolution, skip_other_levels=False),
    }
    for name, cell in methods.items():
        backward = Backward(cell)

        def run_forward(cell: nn.Cell = cell) -> list[NDArray[np.float32]]:
            return [cell(*arguments).asnumpy()]

        def run_backward(backward: nn.Cell = backward) -> list[NDArray[np.float32]]:
            return [gradient.asnumpy() for gradient in backward(*arguments, sens)]

        results = run_forward() + run_backward()
        expected = expected or results
        difference = max(float(np.abs(a - b).max()) for a, b in zip(results, expected, strict=True))
        times = f"forward {seconds(run_forward, repeats):.3f} s   backward {seconds(run_backward, repeats):.3f} s"
        print(f"  {name:28} {times}   difference {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    ms.set_context(mode=ms.GRAPH_MODE)
    with portable_only():
        for case in CASES:
            run_case(case, options.repeats)


if __name__ == "__main__":
    main()
