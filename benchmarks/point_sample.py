"""Times of point_sample and ops.grid_sample, forward and backward.

    python benchmarks/point_sample.py [--repeats 3]

Printed for each case: seconds of a forward and of a backward pass of both, and the largest difference of outputs.
"""

import argparse
import time
from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindrcnn.ops.point_sample import point_sample

# maps, channels, height, width, points of a map
CASES = (
    (1, 256, 200, 336, 128 * 196),  # training points of one image, from P2
    (100, 80, 7, 7, 784),  # one step of inference, from the coarse masks
)


class Package(nn.Cell):
    def construct(self, maps, points):  # type: ignore[no-untyped-def]
        return point_sample(maps, points)


class Operator(nn.Cell):
    def construct(self, maps, points):  # type: ignore[no-untyped-def]
        sampled = ops.grid_sample(maps, (2 * points - 1).expand_dims(2), "bilinear", "zeros", False)
        return sampled[..., 0].transpose(0, 2, 1)


class Backward(nn.Cell):
    def __init__(self, forward: nn.Cell) -> None:
        super().__init__()
        self.forward = forward
        self.gradient = ops.GradOperation(sens_param=True)

    def construct(self, maps, points, sens):  # type: ignore[no-untyped-def]
        return self.gradient(self.forward)(maps, points, sens)


def fastest(cell: nn.Cell, tensors: Sequence[Tensor], repeats: int) -> float:
    """Returns the least seconds of a call, after one that compiles."""
    cell(*tensors).asnumpy()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        cell(*tensors).asnumpy()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    ms.set_context(mode=ms.GRAPH_MODE)
    rng = np.random.default_rng(0)
    for count, channels, height, width, points in CASES:
        maps = Tensor(rng.normal(size=(count, channels, height, width)).astype(np.float32))
        places = Tensor(rng.random((count, points, 2)).astype(np.float32))
        sens = Tensor(rng.normal(size=(count, points, channels)).astype(np.float32))
        print(f"{count} x {channels} x {height} x {width}, {points} points")
        outputs = []
        for cell in (Package(), Operator()):
            outputs.append(cell(maps, places).asnumpy())
            forward = fastest(cell, (maps, places), repeats)
            backward = fastest(Backward(cell), (maps, places, sens), repeats)
            print(f"  {type(cell).__name__:8s} forward {forward:.3f} s, forward and backward {backward:.3f} s")
        print(f"  difference {np.abs(outputs[0] - outputs[1]).max():.1e}")


if __name__ == "__main__":
    main()
