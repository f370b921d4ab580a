"""A detector: from images to detections in their pixels.

Whatever computes them, a checkpoint's network or an exported model, is a function that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from mindrcnn.build.data import build_input_format
from mindrcnn.compilation import Compilations
from mindrcnn.config.run import Config
from mindrcnn.data.batching.batch import EvalBatch, evaluation_batch
from mindrcnn.data.batching.buckets import Bucket, assign_buckets, evaluation_plan
from mindrcnn.data.image_io import ImageSource
from mindrcnn.data.video import read_video
from mindrcnn.detections import Detections
from mindrcnn.errors import InputError
from mindrcnn.evaluation.input_images import Picture, as_source, find_images
from mindrcnn.prediction_stream import PredictionStream, predict_stream
from mindrcnn.tiling.merging import merge_tiles
from mindrcnn.tiling.windows import OVERLAP, Tiling, tiles_of, tiling_of

Image: TypeAlias = str | Path | PillowImage.Image | NDArray[np.uint8]
Images: TypeAlias = (
    list[Image] | list[str] | list[Path] | list[PillowImage.Image] | list[NDArray[np.uint8]] | tuple[Image, ...]
)

# images (B, 3, H, W) uint8 and image_sizes (B, 2) int32 -> the outputs of TwoStageDetector.predict
Predict: TypeAlias = Callable[[NDArray[np.uint8], NDArray[np.int32]], tuple[NDArray[Any], ...]]

Source = TypeVar("Source", bound=ImageSource)

LISTED = 4  # class names that repr lists


class Detector:
    """A trained detector. It may be called from any thread.

    predict: computes a batch; callable from any thread.
    config: the configuration of the checkpoint or exported file, with the overrides in it.
    classes: the K class names; classes[label - 1] is the name of a label.
    category_ids: the K ids of the data set that it was trained on.
    runtime: what computes, for messages.
    batch: the number of images per call that the model is fixed to; None if it takes any.
    compiles: whether each number of images per call costs a compilation, so that short batches are filled up.

    `compilations` has the time of those calls that compiled.
    """

    def __init__(
        self,
        *,
        predict: Predict,
        config: Config,
        classes: Sequence[str],
        category_ids: Sequence[int],
        runtime: str = "",
        batch: int | None = None,
        compiles: bool = True,
    ) -> None:
        self.config = config
        self.classes = tuple(classes)
        self.category_ids = tuple(category_ids)
        self.runtime = runtime or config.device.target
        self.batch = batch
        self.compilations = Compilations("the network")
        self._compiles = compiles
        self._predict = predict
        self._input_format = build_input_format(config)

    def __repr__(self) -> str:
        model = self.config.model
        kind = "boxes" if model.mask is None else "boxes and masks"
        names = ", ".join(self.classes[:LISTED]) + (", ..." if len(self.classes) > LISTED else "")
        return (
            f"<Detector of {kind}: {model.backbone.name}, {len(self.classes)} classes ({names}), "
            f"score_thresh {model.box.score_thresh:g}, {self.runtime}>"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Alias of `classes`."""
        return self.classes

    @overload
    def predict(self, images: Image, *, tiles: int | None = ..., overlap: float = ...) -> Detections: ...
    @overload
    def predict(self, images: Images, *, tiles: int | None = ..., overlap: float = ...) -> list[Detections]: ...
    def predict(
        self, images: Image | Images, *, tiles: int | None = None, overlap: float = OVERLAP
    ) -> Detections | list[Detections]:
        """Returns the detections of an image, or a list of detections for a list of images.

        images: a path, a PIL image or an RGB array (H, W, 3) uint8. A list is predicted in batches of
            eval.batch_size images that share a bucket; results are in the order given.
        tiles: the side in pixels of tiles that larger images are cut into, for objects that are small in them.
        overlap: the part of a tile that its neighbour shares.

        Raises InputError for an image that cannot be read, an array of another shape or type, and an empty list.
        """
        tiling = tiling_of(tiles, overlap)
        if not isinstance(images, list | tuple):
            return self._detect_all([as_source(images)], batch_size=1, tiling=tiling)[0]
        if not images:
            raise InputError("predict: wanted an image or a list of images, got an empty list")
        sources = [as_source(image, f"image {number} of {len(images)}") for number, image in enumerate(images, start=1)]
        batch_size = 1 if len(sources) == 1 else self.config.eval.batch_size
        return self._detect_all(sources, batch_size=batch_size, tiling=tiling)

    def predict_many(
        self,
        paths: str | Path | Iterable[str | Path],
        *,
        batch_size: int | None = None,
        tiles: int | None = None,
        overlap: float = OVERLAP,
    ) -> PredictionStream:
        """Yields the detections of image files in the order given, and reads the next images meanwhile.

        paths: an iterable of paths, or one string that names a file, a folder or a glob. A file that cannot be read is
            logged, skipped and listed in the result's `skipped`.
        batch_size: images per forward pass; None is 1, or the number that an exported model is fixed to.
        tiles: as in `predict`.
        overlap: as in `predict`.
        """
        found = find_images(str(paths)) if isinstance(paths, str | Path) else [Path(path) for path in paths]
        sources = [Picture(path=path) for path in found]
        return self.predict_sources(sources, batch_size=batch_size, tiling=tiling_of(tiles, overlap))

    def predict_video(
        self,
        path: str | Path,
        *,
        every: int = 1,
        batch_size: int | None = None,
        tiles: int | None = None,
        overlap: float = OVERLAP,
    ) -> PredictionStream:
        """Yields the detections of a video's frames; each has its frame's `number` and `seconds` in `source`.

        path: the file.
        every: takes every N-th frame, from the first.
        batch_size: as in `predict_many`.
        tiles: as in `predict`.
        overlap: as in `predict`.

        Raises InputError for a file that is no video.
        """
        frames = read_video(Path(path), every=every)
        return self.predict_sources(frames, batch_size=batch_size, tiling=tiling_of(tiles, overlap))

    def predict_sources(
        self, sources: Iterable[ImageSource], *, batch_size: int | None = None, tiling: Tiling | None = None
    ) -> PredictionStream:
        """Yields the detections of images that are asked for one after another, without end if need be.

        sources: the images; each is referenced until its detections have been yielded.
        batch_size: as in `predict_many`.
        tiling: cuts images into tiles.
        """
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size: wanted a number above 0, got {batch_size}")
        batch_size = batch_size or self.batch or 1
        return predict_stream(self, sources, batch_size=batch_size, tiling=tiling)

    def detect(self, batch: EvalBatch) -> list[Detections]:
        """Returns the detections of each image of a batch; shared by predict, evaluation and inference."""
        count = len(batch.images) if self._compiles else len(batch.sources)
        images, sizes = batch.images[:count], batch.image_sizes[:count]
        compiles = self._compiles and self.config.device.mode == "graph"
        with self.compilations.watch(images.shape, images=len(batch.sources)) if compiles else nullcontext():
            outputs = self._predict(images, sizes)
        return [
            image_detections(
                outputs,
                index,
                valid_size=(int(batch.image_sizes[index, 0]), int(batch.image_sizes[index, 1])),
                original_size=batch.original_sizes[index],
                classes=self.classes,
                category_ids=self.category_ids,
                source=source,
                mask_thresh=self.config.eval.mask_thresh,
            )
            for index, source in enumerate(batch.sources)
        ]

    def batches(self, sources: Sequence[ImageSource], *, batch_size: int) -> Iterator[EvalBatch]:
        """Yields the images resized and padded, bucket by bucket, so not in the order given."""
        for members, bucket in self.plan(sources, batch_size=batch_size):
            yield self.prepare(members, bucket=bucket, batch_size=batch_size)

    def plan(self, sources: Sequence[Source], *, batch_size: int) -> Iterator[tuple[list[Source], Bucket]]:
        """Yields the images of each batch, whose sizes alone are read, and the bucket that they share."""
        form = self._input_format
        sizes = [source.size for source in sources]
        assignment = assign_buckets(sizes, buckets=form.buckets, short_side=form.short_side)
        for planned in evaluation_plan(assignment, buckets=form.buckets, batch_size=batch_size):
            yield [sources[index] for index in planned.indices], planned.bucket

    def prepare(self, members: Sequence[ImageSource], *, bucket: Bucket, batch_size: int) -> EvalBatch:
        """Returns images as a batch, resized and padded. Raises InputError for one that cannot be read."""
        return evaluation_batch(members, bucket=bucket, batch_size=batch_size, input_format=self._input_format)

    def _detect_all(
        self, sources: Sequence[ImageSource], *, batch_size: int, tiling: Tiling | None
    ) -> list[Detections]:
        if tiling is not None:
            return [self._detect_tiles(source, tiling) for source in sources]
        found = [one for batch in self.batches(sources, batch_size=batch_size) for one in self.detect(batch)]
        order = {id(source): number for number, source in enumerate(sources)}
        return sorted(found, key=lambda one: order[id(one.source)])

    def _detect_tiles(self, source: ImageSource, tiling: Tiling) -> Detections:
        tiles = list(tiles_of(source, tiling))
        found = self._detect_all(tiles, batch_size=self.config.eval.batch_size, tiling=None)
        parts = [(one, tile.window) for one, tile in zip(found, tiles, strict=True)]
        return merge_tiles(parts, source, tiles[0].size)


def undo_resize(
    boxes: NDArray[np.float32], valid_size: tuple[int, int], original_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Maps boxes from network-input pixels to the original image and clips them to it.

    Each axis has its own factor, because resizing rounds the two sides separately.

    boxes: (N, 4) float32 xyxy.
    valid_size: (h, w) of the resized image before padding.
    original_size: (h, w) of the file as decoded.
    """
    (valid_height, valid_width), (height, width) = valid_size, original_size
    x_scale, y_scale = width / valid_width, height / valid_height
    scaled = boxes.astype(np.float64) * (x_scale, y_scale, x_scale, y_scale)
    return np.clip(scaled, 0, (width, height, width, height)).astype(np.float32)


def image_detections(
    outputs: tuple[NDArray[Any], ...],
    index: int,
    *,
    valid_size: tuple[int, int],
    original_size: tuple[int, int],
    classes: tuple[str, ...] = (),
    category_ids: tuple[int, ...] = (),
    source: ImageSource | None = None,
    mask_thresh: float = 0.5,
) -> Detections:
    """Returns the detections of image `index` of a batch, without unused slots and boxes that become empty.

    outputs: boxes (B, D, 4) in network-input pixels, scores (B, D), labels (B, D), valid (B, D) bool and, from
        a detector with masks, masks (B, D, M, M) and mask_scores (B, D). A detector without mask scoring repeats
        `scores` as mask_scores; the repetition is dropped here, because it says nothing about the masks.
    index: position of the image in the batch.
    valid_size: (h, w) of the image in the network's input.
    original_size: (h, w) of the image itself.
    classes: see Detections.
    category_ids: see Detections.
    source: see Detections.
    mask_thresh: see Detections.
    """
    boxes, scores, labels, valid, *mask_outputs = (output[index] for output in outputs)
    masks, mask_scores = (*mask_outputs, None, None)[:2]
    if mask_scores is not None and np.array_equal(mask_scores[valid], scores[valid]):
        mask_scores = None
    original_boxes = undo_resize(boxes, valid_size, original_size)
    not_empty = (original_boxes[:, 2] > original_boxes[:, 0]) & (original_boxes[:, 3] > original_boxes[:, 1])
    found = Detections(
        boxes=original_boxes,
        scores=scores,
        labels=labels,
        classes=classes,
        category_ids=category_ids,
        image_size=original_size,
        source=source,
        box_masks=masks,
        mask_scores=mask_scores,
        mask_thresh=mask_thresh,
    )
    return found[valid.astype(bool) & not_empty]
