"""Loaders that turn records into padded batches in threads; the batches do not depend on the number of threads."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from mindrcnn.concurrency import map_ordered
from mindrcnn.data.batching.batch import (
    AugmentedImage,
    Batch,
    EvalBatch,
    InputFormat,
    ObjectFormat,
    evaluation_batch,
    limit_objects,
    training_batch,
)
from mindrcnn.data.batching.buckets import BatchPlan, Bucket, Ints, PlannedBatch, assign_buckets, evaluation_plan
from mindrcnn.data.batching.repeat_factors import UNIT, repeat_factors
from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.record import Record
from mindrcnn.data.transforms.augment import Augment, image_rng
from mindrcnn.data.transforms.copy_paste import copy_paste
from mindrcnn.data.transforms.target import Target

logger = logging.getLogger(__name__)


class TrainLoader:
    """Shuffled, augmented training batches.

    Everything random is a function of (seed, epoch, image id), and of the number of earlier uses of the image in the
    epoch, so a batch depends neither on `workers` and `prefetch` nor on the step at which the epoch was resumed. Raises
    InputError if a global batch is larger than the list of records.

    records: the images to train on.
    input_format: buckets, short side and channel order.
    object_format: ground-truth slots and side of the masks.
    augment: the random transformations.
    batch_size: images per batch of this process.
    seed: the source of everything random.
    workers: threads; 0 loads in the calling thread.
    prefetch: batches prepared ahead.
    rank, world_size: this process and the number of processes, which share every global batch.
    repeat_thresh: share of the images below which a class counts as rare, so that its images are used more often;
        0 uses every image once.
    """

    def __init__(
        self,
        *,
        records: Sequence[Record],
        input_format: InputFormat,
        object_format: ObjectFormat,
        augment: Augment,
        batch_size: int,
        seed: int,
        workers: int = 2,
        prefetch: int = 4,
        rank: int = 0,
        world_size: int = 1,
        repeat_thresh: float = 0.0,
    ) -> None:
        self._records = records
        self._input = input_format
        self._objects = object_format
        self._augment = augment
        self._seed = seed
        self._workers = workers
        self._prefetch = prefetch
        self._plan = BatchPlan(
            assignment=_assignment(self._records, input_format),
            buckets=input_format.buckets,
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            factors=_factors(records, repeat_thresh) if repeat_thresh else None,
        )
        _warn_of_crowded_images(self._records, object_format.max_objects)

    def steps_per_epoch(self, epoch: int = 0) -> int:
        """Returns the number of batches in an epoch, the same for every epoch."""
        return len(self._plan)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """Yields the batches of an epoch from `start_step` on. Raises InputError at an image that cannot be read."""
        planned = self._plan.epoch(epoch)[start_step:]
        return map_ordered(
            lambda batch: self._make(batch, epoch), planned, workers=self._workers, prefetch=self._prefetch
        )

    @property
    def records(self) -> Sequence[Record]:
        """The images, in the order that `single` counts them in."""
        return self._records

    def single(self, index: int, epoch: int = 0) -> Batch:
        """Returns one image as the batches of an epoch have it, in the bucket that fits it best."""
        (bucket,) = _assignment([self._records[index]], self._input)
        return self._make(PlannedBatch(self._input.buckets[bucket], (index,), uses=(0,)), epoch)

    def _make(self, planned: PlannedBatch, epoch: int) -> Batch:
        return training_batch(
            [
                self._load(index, earlier, epoch, planned.bucket)
                for index, earlier in zip(planned.indices, planned.uses, strict=True)
            ],
            bucket=planned.bucket,
            channel_order=self._input.channel_order,
            objects=self._objects,
        )

    def _load(self, index: int, earlier: int, epoch: int, bucket: Bucket) -> AugmentedImage:
        record = self._records[index]
        rng = image_rng(self._seed, epoch, record.image_id, earlier)
        image, target = self._augmented(record, rng, bucket)
        paste_prob = self._augment.copy_paste_prob
        if paste_prob and rng.random() < paste_prob:
            source, source_target = self._augmented(self._partner(index, rng), rng, bucket)
            image, target = copy_paste(image, target, source, source_target, rng)
        target = limit_objects(target, self._objects.max_objects, rng)
        return AugmentedImage(record.image_id, image, target, target.rasterise(self._objects.mask_side))

    def _augmented(self, record: Record, rng: np.random.Generator, bucket: Bucket) -> tuple[RGBImage, Target]:
        image, target = record.image(), Target.of(record)
        return self._augment(image, target, rng, short_side=self._input.short_side, bucket=bucket)

    def _partner(self, index: int, rng: np.random.Generator) -> Record:
        """Draws another image to paste from; the only one there is pastes from itself."""
        others = max(len(self._records) - 1, 1)
        return self._records[(index + 1 + int(rng.integers(others))) % len(self._records)]


class EvalLoader:
    """Every record once, resized and padded, bucket by bucket rather than in the order of the records.

    records: the images to evaluate.
    input_format: buckets, short side and channel order.
    batch_size: images per batch.
    workers: threads; 0 loads in the calling thread.
    prefetch: batches prepared ahead.
    """

    def __init__(
        self,
        *,
        records: Sequence[Record],
        input_format: InputFormat,
        batch_size: int,
        workers: int = 2,
        prefetch: int = 4,
    ) -> None:
        self._records = records
        self._input = input_format
        self._batch_size = batch_size
        self._workers = workers
        self._prefetch = prefetch
        self._plan = evaluation_plan(
            _assignment(self._records, input_format), buckets=input_format.buckets, batch_size=batch_size
        )

    def __len__(self) -> int:
        """Returns the number of batches."""
        return len(self._plan)

    def __iter__(self) -> Iterator[EvalBatch]:
        return map_ordered(self._make, self._plan, workers=self._workers, prefetch=self._prefetch)

    def _make(self, planned: PlannedBatch) -> EvalBatch:
        return evaluation_batch(
            [self._records[index] for index in planned.indices],
            bucket=planned.bucket,
            batch_size=self._batch_size,
            input_format=self._input,
        )


def _assignment(records: Sequence[Record], input_format: InputFormat) -> Ints:
    sizes = [record.size for record in records]
    return assign_buckets(sizes, buckets=input_format.buckets, short_side=input_format.short_side)


def _factors(records: Sequence[Record], thresh: float) -> Ints:
    factors = repeat_factors(records, thresh=thresh)
    logger.info(
        "an epoch uses %d of %d images more than once, up to %.1f times on average, because of classes in less than "
        "%g %% of them: %d images in all",
        np.count_nonzero(factors > UNIT), len(factors), factors.max() / UNIT, 100 * thresh, factors.sum() // UNIT,
    )  # fmt: skip
    return factors


def _warn_of_crowded_images(records: Sequence[Record], max_objects: int) -> None:
    counts = [len(record.labels) for record in records]
    over = sum(count > max_objects for count in counts)
    if over:
        logger.warning(
            "%d of %d images have more than %d objects (at most %d): each epoch uses a random %d of them; "
            "raise data.max_objects to use all",
            over,
            len(counts),
            max_objects,
            max(counts),
            max_objects,
        )
