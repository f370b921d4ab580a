"""Waiting requests, detected in batches by one thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from time import monotonic

import numpy as np

from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.detections import Detections

logger = logging.getLogger(__name__)

Detect = Callable[[EvalBatch], list[Detections]]


@dataclass(frozen=True, eq=False)
class Waiting:
    """One image that waits for its detections."""

    image: EvalBatch  # a batch of one
    result: Future[Detections] = field(default_factory=Future)
    since: float = field(default_factory=monotonic)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the image, which all images of a batch share."""
        return self.image.images.shape[1:]


class Batcher:
    """Detects images in the order in which they come, several at a time.

    detect: detects a batch.
    batch_size: most images of a batch; shorter ones are filled up with images of zeros.
    wait: seconds that an image waits for others to fill its batch; while a batch is detected, others gather anyway.
    """

    def __init__(self, detect: Detect, *, batch_size: int, wait: float) -> None:
        self._detect = detect
        self._batch_size = batch_size
        self._wait = wait
        self._waiting: deque[Waiting] = deque()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, image: EvalBatch) -> Future[Detections]:
        """Returns the future detections of a batch of one image. A future that is cancelled in time costs nothing."""
        one = Waiting(image)
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._waiting.append(one)
            self._changed.notify_all()
        return one.result

    def close(self) -> None:
        """Ends the thread once it has detected what was submitted."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while members := self._next():
            started = [one for one in members if one.result.set_running_or_notify_cancel()]
            if not started:
                continue
            try:
                found = self._detect(join([one.image for one in started], self._batch_size))
            except Exception as error:  # whatever the runtime raises belongs to these requests, not to the thread
                logger.exception("a batch of %d images failed", len(started))
                for one in started:
                    one.result.set_exception(error)
                continue
            for one, detections in zip(started, found, strict=True):
                one.result.set_result(detections)

    def _next(self) -> list[Waiting]:
        """Waits for the next batch and takes it; returns none when the batcher is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            oldest = self._waiting[0]
            remaining = oldest.since + self._wait - monotonic()
            self._changed.wait_for(lambda: self._is_full(oldest) or self._closed, timeout=max(remaining, 0))
            members = [one for one in self._waiting if one.shape == oldest.shape][: self._batch_size]
            self._waiting = deque(one for one in self._waiting if one not in members)
            return members

    def _is_full(self, oldest: Waiting) -> bool:
        return sum(one.shape == oldest.shape for one in self._waiting) >= self._batch_size


def join(batches: list[EvalBatch], batch_size: int) -> EvalBatch:
    """Joins batches of one image of the same shape, and fills them up with zeros."""
    missing = batch_size - len(batches)
    first = batches[0]
    images = [batch.images for batch in batches] + [np.zeros_like(first.images)] * missing
    sizes = [batch.image_sizes for batch in batches] + [np.zeros_like(first.image_sizes)] * missing
    return replace(
        first,
        images=np.concatenate(images),
        image_sizes=np.concatenate(sizes),
        sources=tuple(source for batch in batches for source in batch.sources),
        original_sizes=tuple(size for batch in batches for size in batch.original_sizes),
    )
