"""The layers of Mask R-CNN R50-FPN in inference beside the least time that their arithmetic and their bytes need.

    python -m benchmarks.layer_profile [--sizes 800x1344 512x512] [--rounds 5] [--clock cpu]

Prints a Markdown table. Each layer runs alone, as the detector calls it, on numbers of the right shape; a time is the
least of the rounds. Bytes are those of input, output and weights, each once. A 3x3 convolution counts with the
multiplications of Winograd's F(4x4, 3x3), a quarter of the definition's. The bound is the larger of GFLOP over the peak
of a matrix product and bytes over the bandwidth of a copy, both measured here with as many threads. The rest is the
whole prediction's time less that of the layers. With --clock cpu a time is the processor time of this process divided
by the threads, which other work on the machine changes little.
"""

import mindrcnn  # noqa: F401 isort: skip (its settings of waiting threads are read when MindSpore loads OpenMP)
import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import mindspore as ms
import numpy as np
from mindspore import Tensor

from benchmarks.document import table
from benchmarks.layer_calls import call_of
from benchmarks.mindrcnn_detector import inference
from benchmarks.network_layers import Layer, network_layers
from benchmarks.worker import limit_threads

MATRIX_SIDE = 2048
COPIED_FLOATS = 1 << 24  # of a thread, far more than a cache holds


@dataclass(frozen=True)
class Machine:
    """What the processors can do.

    peak: float32 operations a second.
    bandwidth: bytes read and written a second.
    """

    peak: float
    bandwidth: float

    def bound(self, layer: Layer) -> float:
        """Returns the least seconds of a layer."""
        return max(layer.operations / self.peak, layer.bytes / self.bandwidth)


Least = Callable[[Callable[[], object]], float]


def least_of(rounds: int, clock: Callable[[], float]) -> Least:
    """Returns a function that measures the least seconds of a call, of which the first is not counted."""

    def least(call: Callable[[], object]) -> float:
        seconds = []
        for _ in range(rounds + 1):
            started = clock()
            call()
            seconds.append(clock() - started)
        return min(seconds[1:])

    return least


def measure_machine(threads: int, least: Least) -> Machine:
    """Measures the peak of a matrix product, and the bandwidth of a copy by every thread."""
    matrix = np.ones((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    out = np.empty_like(matrix)
    product = least(lambda: np.matmul(matrix, matrix, out=out))
    sources = [np.ones(COPIED_FLOATS, np.float32) for _ in range(threads)]
    targets = [np.empty_like(source) for source in sources]
    with ThreadPoolExecutor(threads) as pool:
        copying = least(lambda: list(pool.map(np.copyto, targets, sources)))
    return Machine(peak=2 * MATRIX_SIDE**3 / product, bandwidth=2 * 4 * COPIED_FLOATS * threads / copying)


def layer_seconds(layer: Layer, least: Least) -> float:
    """Measures a layer alone."""
    call = call_of(layer)

    def run() -> None:
        result = call()
        (result if isinstance(result, Tensor) else result[0]).asnumpy()  # waits, and copies nothing

    return least(run)


def rows(height: int, width: int, machine: Machine, least: Least) -> Iterator[list[str]]:
    """Yields the table's rows for one size of image: groups of layers, what is left, and the whole."""
    total = 0.0
    for title, group in groupby(network_layers(height, width), key=lambda layer: layer.group):
        layers = list(group)
        seconds = sum(layer.count * layer_seconds(layer, least) for layer in layers)
        bound = sum(layer.count * machine.bound(layer) for layer in layers)
        operations = sum(layer.count * layer.operations for layer in layers)
        moved = sum(layer.count * layer.bytes for layer in layers)
        total += seconds
        numbers = [f"{operations / 1e9:.1f}", f"{moved / 1e6:.0f}", f"{bound * 1e3:.1f}", f"{seconds * 1e3:.1f}"]
        yield [title, *numbers, f"{bound / seconds:.0%}"]
        sys.stderr.write(f"{height}x{width} {title}\n")
    ms.set_context(mode=ms.GRAPH_MODE)
    whole = least(inference(head="mask_rcnn", batch=1, height=height, width=width).run)
    yield ["the rest: proposals, detections, pasting, small operators", "", "", "", f"{(whole - total) * 1e3:.1f}", ""]
    yield ["whole image", "", "", "", f"{whole * 1e3:.1f}", ""]


def shared_clock(threads: int) -> Callable[[], float]:
    """Returns a clock of this process's processor time, divided among the threads."""
    return lambda: time.process_time() / threads


def main(words: Sequence[str] | None = None) -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["800x1344", "512x512"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    arguments = parser.parse_args(words)
    threads: int = arguments.threads
    limit_threads(threads)
    least = least_of(arguments.rounds, time.perf_counter if arguments.clock == "wall" else shared_clock(threads))
    machine = measure_machine(threads, least)
    sys.stdout.write(f"{machine.peak / 1e9:.0f} GFLOP/s, {machine.bandwidth / 1e9:.1f} GB/s\n")
    head = ["Layers", "GFLOP", "MB", "Bound, ms", "Measured, ms", "Bound / measured"]
    for size in arguments.sizes:
        height, width = map(int, size.split("x"))
        ms.set_context(mode=ms.PYNATIVE_MODE)
        found = list(rows(height, width, machine, least))
        sys.stdout.write(f"\n{size}\n\n{table(head, found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
