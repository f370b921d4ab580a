"""The prediction loop: the device computes one batch while a thread turns the last one into detections and RLE."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from mindrcnn.concurrency import run_behind
from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.data.record import Record
from mindrcnn.evaluation.detections import Detections
from mindrcnn.evaluation.paste import encode_masks
from mindrcnn.evaluation.postprocess import image_detections
from mindrcnn.evaluation.rle import Rle

logger = logging.getLogger(__name__)

Predict = Callable[[NDArray[np.uint8], NDArray[np.int32]], tuple[NDArray, ...]]
"""(images B,3,H,W uint8, image_sizes B,2 int32) -> the outputs that postprocess.image_detections describes."""

PROGRESS_SECONDS = 10.0  # at most one progress line in so many seconds


@dataclass(frozen=True)
class ImageResult:
    """One image's detections. height, width: of the file as decoded; rles: the masks, None for a box-only detector."""

    record: Record
    height: int
    width: int
    detections: Detections
    rles: tuple[Rle, ...] | None


def predict_images(
    batches: Iterable[EvalBatch], predict: Predict, *, mask_thresh: float = 0.5
) -> Iterator[ImageResult]:
    """Results in the order of the batches, filler images left out.

    While `predict` runs on a batch, one worker thread undoes the resize, pastes and encodes the batch before. An error
    of either side is raised here.
    """
    computed = ((batch, predict(batch.images, batch.image_sizes)) for batch in batches)
    for results in run_behind(lambda one: _batch_results(*one, mask_thresh), computed):
        yield from results


def _batch_results(batch: EvalBatch, outputs: tuple[NDArray, ...], mask_thresh: float) -> list[ImageResult]:
    results = []
    for index, record in enumerate(batch.records):
        if record is None:
            continue
        height, width = batch.original_sizes[index]
        valid_height, valid_width = (int(side) for side in batch.image_sizes[index])
        found = image_detections(outputs, index, valid_size=(valid_height, valid_width), original_size=(height, width))
        rles = None
        if found.masks is not None:
            rles = tuple(encode_masks(found.masks, found.boxes, height=height, width=width, thresh=mask_thresh))
        results.append(ImageResult(record=record, height=height, width=width, detections=found, rles=rles))
    return results


def with_progress(
    results: Iterable[ImageResult], *, total: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[ImageResult]:
    """Passes results on and logs how many of `total` images are done, images/s and the time left."""
    start = last = clock()
    done = 0
    for done, result in enumerate(results, start=1):
        now = clock()
        if now - last >= PROGRESS_SECONDS and done < total:
            rate = done / (now - start)
            left = timedelta(seconds=round((total - done) / rate))
            logger.info("%d/%d images, %.2f images/s, %s left", done, total, rate, left)
            last = now
        yield result
    seconds = max(clock() - start, 1e-9)
    logger.info("%d images in %s, %.2f images/s", done, timedelta(seconds=round(seconds)), done / seconds)
