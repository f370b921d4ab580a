"""Streams of detections: images are read in the background, batched by bucket, and come back in their order."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from mindrcnn.concurrency import prefetch
from mindrcnn.data.batching.batch import EvalBatch
from mindrcnn.data.batching.buckets import Bucket
from mindrcnn.data.image_io import ImageSource
from mindrcnn.detections import Detections
from mindrcnn.errors import InputError
from mindrcnn.tiling.merging import merge_tiles
from mindrcnn.tiling.windows import Tile, Tiling, Window, tiles_of

logger = logging.getLogger(__name__)

WINDOW = 4  # batches whose images are grouped at a time; more of them fill more batches, and delay results


class Batches(Protocol):
    """A detector, as far as a stream needs it."""

    def plan(
        self, sources: Sequence[ImageSource], *, batch_size: int
    ) -> Iterator[tuple[list[ImageSource], Bucket]]: ...
    def prepare(self, members: Sequence[ImageSource], *, bucket: Bucket, batch_size: int) -> EvalBatch: ...
    def detect(self, batch: EvalBatch) -> list[Detections]: ...


class PredictionStream(Iterator[Detections]):
    """An iterator over the detections of images; `skipped` lists the files of unreadable ones met so far."""

    def __init__(self, found: Iterator[Detections], skipped: list[Path]) -> None:
        self.skipped = skipped
        self._found = found

    def __next__(self) -> Detections:
        return next(self._found)


def predict_stream(
    detector: Batches, sources: Iterable[ImageSource], *, batch_size: int, tiling: Tiling | None
) -> PredictionStream:
    """Returns the detections of images in the order given; those that cannot be read are logged and skipped.

    detector: what computes them.
    sources: the images, asked for a few at a time and referenced until their detections have been yielded.
    batch_size: images, or tiles, per forward pass.
    tiling: cuts images into tiles.
    """
    if tiling is None:
        images = _Images(detector, sources, batch_size=batch_size)
        return PredictionStream(images.predict(), images.skipped)
    images = _Images(detector, _all_tiles(sources, tiling), batch_size=batch_size)
    return PredictionStream(_merged(images.predict()), images.skipped)


def _all_tiles(sources: Iterable[ImageSource], tiling: Tiling) -> Iterator[ImageSource]:
    """Yields the tiles of each image; an image that cannot be read as it is, so that it is skipped like any other."""
    for source in sources:
        try:
            yield from tiles_of(source, tiling)
        except InputError:
            yield source


def _merged(found: Iterator[Detections]) -> Iterator[Detections]:
    """Yields the detections of each image, put together from those of its tiles."""
    parts: list[tuple[Detections, Window]] = []
    size = (0, 0)
    for one in found:
        tile = one.source
        if not isinstance(tile, Tile):  # an image that could be read at the second attempt
            yield one
            continue
        size = size if parts else tile.size  # the first one is the whole image
        parts.append((one, tile.window))
        if tile.is_last:
            yield merge_tiles(parts, tile.photograph.source, size)
            parts = []


class _Images:
    """Images on their way through a detector."""

    def __init__(self, detector: Batches, sources: Iterable[ImageSource], *, batch_size: int) -> None:
        self.skipped: list[Path] = []
        self._detector = detector
        self._batch_size = batch_size
        self._sources = sources
        self._waiting: deque[ImageSource] = deque()  # images in their order; the thread that reads them appends
        self._unreadable: set[int] = set()  # ids of waiting images

    def predict(self) -> Iterator[Detections]:
        """Yields the detections of each image as soon as those of all earlier ones are known."""
        found: dict[int, Detections] = {}
        for batch in prefetch(self._batches()):
            found |= {id(one.source): one for one in self._detector.detect(batch)}
            while self._waiting and (key := id(self._waiting[0])) in found.keys() | self._unreadable:
                self._waiting.popleft()
                self._unreadable.discard(key)
                if key in found:
                    yield found.pop(key)

    def _batches(self) -> Iterator[EvalBatch]:
        """Yields batches of images that share a bucket, of the next few images at a time."""
        window = self._batch_size * (1 if self._batch_size == 1 else WINDOW)
        sources = iter(self._sources)
        while some := list(itertools.islice(sources, window)):
            self._waiting.extend(some)
            readable = self._readable(some, lambda source: source.size)
            for members, bucket in self._detector.plan(readable, batch_size=self._batch_size):
                try:
                    batch = self._detector.prepare(members, bucket=bucket, batch_size=self._batch_size)
                except InputError:
                    members = self._readable(members, lambda source: source.image())
                    if not members:
                        continue
                    batch = self._detector.prepare(members, bucket=bucket, batch_size=self._batch_size)
                yield batch

    def _readable(self, sources: Sequence[ImageSource], read: Callable[[ImageSource], object]) -> list[ImageSource]:
        """Returns the images that `read` can read; the others are skipped."""
        readable = []
        for source in sources:
            try:
                read(source)
            except InputError as error:
                logger.warning("skipped: %s", error)
                self.skipped.append(source.path or Path("image"))
                self._unreadable.add(id(source))
            else:
                readable.append(source)
        return readable
