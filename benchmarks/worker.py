"""One side of one case in a process of its own: built once, and run whenever the driver writes a line.

    python -m benchmarks.worker SIDE CASE_AS_JSON THREADS

Standard output carries one JSON object per line: first {"ready": ...}, then one for each line read. Everything that
libraries print goes to standard error.
"""

import ctypes
import importlib
import json
import os
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.case import CHANNELS_LAST, PORTABLE, TORCHVISION, Case

# The function that builds each kind of case, by library.
BUILDERS = {
    "mindrcnn": {
        "inference": "benchmarks.mindrcnn_detector:inference",
        "training": "benchmarks.mindrcnn_detector:training",
        "inference_stages": "benchmarks.mindrcnn_stages:inference",
        "training_stages": "benchmarks.mindrcnn_stages:training",
        "roi_align": "benchmarks.mindrcnn_kernels:pool",
        "nms": "benchmarks.mindrcnn_kernels:suppress",
        "matching": "benchmarks.mindrcnn_kernels:match",
        "mask_targets": "benchmarks.mindrcnn_kernels:crop",
        "point_sample": "benchmarks.mindrcnn_kernels:sample",
        "paste": "benchmarks.mindrcnn_kernels:paste",
        "evaluation": "benchmarks.mindrcnn_evaluation:evaluation",
    },
    "torchvision": {
        "inference": "benchmarks.torchvision_detector:inference",
        "training": "benchmarks.torchvision_detector:training",
        "inference_stages": "benchmarks.torchvision_stages:inference",
        "training_stages": "benchmarks.torchvision_stages:training",
        "roi_align": "benchmarks.torchvision_kernels:pool",
        "nms": "benchmarks.torchvision_kernels:suppress",
        "matching": "benchmarks.torchvision_kernels:match",
        "mask_targets": "benchmarks.torchvision_kernels:crop",
        "point_sample": "benchmarks.torchvision_kernels:sample",
        "paste": "benchmarks.torchvision_kernels:paste",
    },
    "channels_last": {
        "inference": "benchmarks.torchvision_detector:channels_last_inference",
        "training": "benchmarks.torchvision_detector:channels_last_training",
    },
    "onnxruntime": {"inference": "benchmarks.rivals:torchvision_in_onnxruntime"},
    "openvino": {"inference": "benchmarks.rivals:torchvision_in_openvino"},
    "openvino_bfloat16": {"inference": "benchmarks.rivals:torchvision_in_openvino_bfloat16"},
    "own_onnxruntime": {"inference": "benchmarks.rivals:own_in_onnxruntime"},
    "own_openvino": {"inference": "benchmarks.rivals:own_in_openvino"},
}


@dataclass(frozen=True)
class Prepared:
    """A case that is ready to run.

    run: does the work once; may return the seconds of its parts by name.
    compile_seconds: None if nothing is compiled.
    facts: what was actually done, such as the number of detections; called after the first run.
    """

    run: Callable[[], Mapping[str, float] | None]
    compile_seconds: float | None = None
    facts: Callable[[], Mapping[str, Any]] = field(default=dict)


SHORT_RUN_SECONDS = 0.3  # a call of milliseconds is repeated for this long within one run


def repeated(call: Callable[[], object]) -> Callable[[], Mapping[str, float]]:
    """Returns a run that repeats the call for SHORT_RUN_SECONDS and reports the median time of a call."""

    def run() -> Mapping[str, float]:
        times: list[float] = []
        while sum(times) < SHORT_RUN_SECONDS:
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        return {"total": statistics.median(times)}

    return run


def peak_memory() -> int:
    """Returns the largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def forget_peak_memory() -> None:
    """Resets peak_memory to what is resident now, because compiling can take more than running."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def limit_threads(count: int) -> None:
    """Pins this process to `count` processors and tells OpenMP; to be called before any library starts its threads."""
    processors = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, processors)
    os.environ["OMP_NUM_THREADS"] = str(len(processors))


def die_with_parent() -> None:
    """Ends this process when the driver ends in any way; a suspended one would otherwise stay forever."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of sys/prctl.h
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def prepare(side: str, case: Case) -> Prepared:
    """Imports the side's library and builds the case."""
    if side not in (TORCHVISION, CHANNELS_LAST):
        # Triton comes with PyTorch's CUDA build. MindSpore imports it if installed: 76 MB that it does not need.
        sys.modules["triton"] = None  # type: ignore[assignment]
        # Before MindSpore, as every program does: its settings of waiting threads are read when MindSpore loads OpenMP.
        importlib.import_module("mindrcnn")
        # A graph that an earlier run has compiled is read in seconds and takes 0.3 GB less than compiling it.
        os.environ["MINDRCNN_GRAPHS"] = "0"
    if side == PORTABLE:
        os.environ["MINDRCNN_NATIVE"] = "0"
        side = "mindrcnn"
    module, function = BUILDERS[side][case.kind].split(":")
    prepared: Prepared = getattr(importlib.import_module(module), function)(**case.settings)
    return prepared


def serve(side: str, case: Case, answer: Callable[[dict[str, Any]], None]) -> None:
    """Answers every line of standard input with one run."""
    started = time.perf_counter()
    prepared = prepare(side, case)
    built = time.perf_counter()
    prepared.run()
    warm_up = time.perf_counter() - built
    answer(
        {
            "ready": True,
            "build_seconds": built - started,
            "warm_up_seconds": warm_up,
            "compile_seconds": prepared.compile_seconds,
            "facts": dict(prepared.facts()),
        }
    )
    start_peak = peak_memory()
    forget_peak_memory()
    for _ in sys.stdin:
        run_started = time.perf_counter()
        parts = prepared.run()
        seconds = time.perf_counter() - run_started
        peak = peak_memory()
        answer(
            {
                "seconds": {"total": seconds} | dict(parts or {}),
                "peak_memory": max(start_peak, peak),
                "run_peak_memory": peak,
            }
        )


def main(arguments: list[str]) -> int:
    """Runs the program; returns its exit status."""
    side, text, threads = arguments
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(values: dict[str, Any]) -> None:
        results.write(json.dumps(values) + "\n")
        results.flush()

    die_with_parent()
    limit_threads(int(threads))
    try:
        serve(side, Case.from_json(text), answer)
    except Exception as error:  # the driver reports it and continues with the next case
        traceback.print_exc()
        answer({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
