"""Measurement of a model's speed: latency, throughput and memory at one batch and input size."""

from __future__ import annotations

import itertools
import logging
import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mindrcnn import __version__
from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.data.batching.buckets import Bucket
from mindrcnn.data.image_io import ImageSource
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture, find_images
from mindrcnn.image_detector import Detector

logger = logging.getLogger(__name__)

PERCENTILES = (50, 90, 95, 99)
_KIBIBYTE = 1024  # the unit in which Linux reports the resident set
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The calls to measure.

    batch: images per call.
    size: (height, width) of the input.
    warm_up: calls before those that are measured; the first of them compiles or plans the model.
    calls: calls that are measured.
    pictures: images to predict, again and again; empty: images of noise.
    """

    batch: int
    size: Bucket
    warm_up: int
    calls: int
    pictures: Sequence[Path] = ()


@dataclass
class Times:
    """Seconds of each call: reading, resizing and padding the images; detection; pasting and encoding the masks."""

    prepare: list[float] = field(default_factory=list)
    detect: list[float] = field(default_factory=list)
    masks: list[float] = field(default_factory=list)
    detections: int = 0


def measure(detector: Detector, workload: Workload, *, load_seconds: float) -> dict[str, Any]:
    """Measures a detector and returns the report.

    detector: what to measure.
    workload: the calls.
    load_seconds: how long it took to load the detector, for the report.
    """
    batches = endless_batches(detector, workload)
    memory_after_loading = peak_memory()
    warm_up = run_calls(detector, batches, workload.warm_up)
    logger.info("%d calls to warm up, the first took %.2f s", workload.warm_up, sum(warm_up.detect[:1]))
    times = run_calls(detector, batches, workload.calls)
    images = workload.batch * workload.calls
    whole = [sum(parts) for parts in zip(times.prepare, times.detect, times.masks, strict=True)]
    return {
        "version": __version__,
        "model": "faster_rcnn" if detector.config.model.mask is None else detector.config.model.mask.type,
        "backbone": detector.config.model.backbone.name,
        "runtime": detector.runtime,
        "precision": detector.config.eval.precision,
        "threads": os.environ.get("OMP_NUM_THREADS") or "default",
        "batch": workload.batch,
        "height": workload.size[0],
        "width": workload.size[1],
        "pictures": len(workload.pictures) or "noise",
        "detections_per_image": round(times.detections / images, 2),
        "load_s": round(load_seconds, 3),
        "warm_up": {"calls": workload.warm_up, "ms": milliseconds(warm_up.detect)},
        "calls": workload.calls,
        "latency_ms": spread(times.detect),
        "images_per_s": rate(images, times.detect),
        "with_images_and_masks": {
            "latency_ms": spread(whole),
            "images_per_s": rate(images, whole),
            "mean_ms": {name: mean(getattr(times, name)) for name in ("prepare", "detect", "masks")},
        },
        "memory_mb": {"loaded": round(memory_after_loading / 1e6), "peak": round(peak_memory() / 1e6)},
    }


def endless_batches(detector: Detector, workload: Workload) -> Iterator[EvalBatch]:
    """Yields full batches without end. Raises InputError for a picture that cannot be read."""
    sources: list[ImageSource] = [Picture(path=path) for path in workload.pictures]
    if not sources:
        noise = np.random.default_rng(_SEED).integers(0, 256, (workload.batch, *workload.size, 3), np.uint8)
        sources = [Picture(pixels=pixels) for pixels in noise]
    endless = itertools.cycle(sources)
    while True:
        members = list(itertools.islice(endless, workload.batch))
        yield detector.prepare(members, bucket=workload.size, batch_size=workload.batch)


def run_calls(detector: Detector, batches: Iterator[EvalBatch], calls: int) -> Times:
    """Makes calls one after another and returns their times."""
    times = Times()
    for _ in range(calls):
        start = perf_counter()
        batch = next(batches)
        prepared = perf_counter()
        found = detector.detect(batch)
        detected = perf_counter()
        for one in found:
            one.rle  # noqa: B018 (pastes and encodes the masks)
        times.masks.append(perf_counter() - detected)
        times.detect.append(detected - prepared)
        times.prepare.append(prepared - start)
        times.detections += sum(len(one) for one in found)
    return times


def find_pictures(sources: Sequence[str]) -> list[Path]:
    """Returns the image files that the words name. Raises InputError for a word that names none."""
    return [image for source in sources for image in find_images(source)]


def parse_size(text: str) -> Bucket:
    """Returns (height, width) of a text such as 800x1344. Raises InputError for anything else."""
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size: wanted HEIGHTxWIDTH such as 800x1344, got {text}")
    return int(height), int(width)


def peak_memory() -> int:
    """Returns the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTE


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """Returns the times in milliseconds, to three decimals."""
    return [round(value * 1e3, 3) for value in seconds]


def mean(seconds: Sequence[float]) -> float:
    """Returns the mean in milliseconds, to three decimals."""
    return round(sum(seconds) / len(seconds) * 1e3, 3)


def rate(images: int, seconds: Sequence[float]) -> float:
    """Returns images per second."""
    return round(images / sum(seconds), 3)


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Returns mean, least, percentiles and largest in milliseconds; a percentile is one of the measured times."""
    found = {f"p{number}": float(np.percentile(seconds, number, method="higher")) for number in PERCENTILES}
    ends = {"min": min(seconds), **found, "max": max(seconds)}
    return {"mean": mean(seconds), **{name: round(value * 1e3, 3) for name, value in ends.items()}}
