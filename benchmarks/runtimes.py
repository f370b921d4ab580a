"""The speed of one model in MindSpore, ONNX Runtime and OpenVINO, measured in turns in one process.

    python -m benchmarks.runtimes best.ckpt detector.onnx --size 512x512 --batch 1 2 4 8 --images photos

The runtimes take turns, so that other work on the machine slows them alike. Prints a table of images/s: the median over
the rounds, and in brackets the median of the ratios to MindSpore at the first batch size, within a round. OpenVINO does
not run with the memory allocator that the shell scripts preload. With --clock cpu a second is one of processor time of
this process, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time

from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.image_detector import Detector
from mindrcnn.opening import Runtime, open_detector
from mindrcnn.tasks.benchmark import size_keys
from mindrcnn.tasks.speed import Workload, endless_batches, find_pictures

Rates = dict[str, list[float]]  # images/s of each round, by runtime
Clock = Callable[[], float]

CLOCKS: dict[str, Clock] = {"wall": perf_counter, "cpu": process_time}


def open_all(checkpoint: Path, exported: Path, size: str) -> dict[str, Detector]:
    """Returns the model in each runtime."""
    keys = size_keys(size)
    return {
        "MindSpore": open_detector(checkpoint, [*keys, "device.mode=graph"]),
        "ONNX Runtime": open_detector(exported, keys),
        "OpenVINO": open_detector(exported, keys, runtime=Runtime("openvino")),
    }


def measure(
    detectors: dict[str, Detector], workloads: Sequence[Workload], rounds: int, clock: Clock = perf_counter
) -> dict[int, Rates]:
    """Returns the rates by images per call; in a round, each runtime is called once with the same images of each."""
    (first, *_) = detectors.values()
    batches = {workload.batch: endless_batches(first, workload) for workload in workloads}
    rates: dict[int, Rates] = {count: {name: [] for name in detectors} for count in batches}
    for number in range(rounds + 1):
        for count, stream in batches.items():
            batch = next(stream)
            for name, detector in detectors.items():
                seconds = seconds_of(detector, batch, clock)
                if number > 0:  # the first compiles
                    rates[count][name].append(count / seconds)
        sys.stderr.write(f"round {number} of {rounds}, load {os.getloadavg()[0]:.1f}\n")
    return rates


def seconds_of(detector: Detector, batch: EvalBatch, clock: Clock) -> float:
    """Returns how long a call takes."""
    start = clock()
    detector.detect(batch)
    return clock() - start


def rows(rates: dict[int, Rates]) -> Iterator[str]:
    """Yields the lines of the table."""
    (first, *_) = rates.values()
    reference = first["MindSpore"]  # at the first number of images
    yield f"| Images per call | {' | '.join(first)} |\n|---|{'---|' * len(first)}"
    for batch, found in rates.items():
        cells = []
        for values in found.values():
            ratio = statistics.median(value / base for value, base in zip(values, reference, strict=True))
            cells.append(f"{statistics.median(values):.2f} ({ratio:.2f})")
        yield f"| {batch} | {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("exported", type=Path)
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--images", nargs="+", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    arguments = parser.parse_args(words)
    detectors = open_all(arguments.checkpoint, arguments.exported, arguments.size)
    size, pictures = next(iter(detectors.values())).config.data.buckets[0], find_pictures(arguments.images)
    workloads = [
        Workload(batch=count, size=size, warm_up=1, calls=arguments.rounds, pictures=pictures)
        for count in arguments.batch
    ]
    rates = measure(detectors, workloads, arguments.rounds, CLOCKS[arguments.clock])
    sys.stdout.write("\n".join(rows(rates)) + "\n")


if __name__ == "__main__":
    main()
