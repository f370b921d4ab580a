"""Input sizes and which images go into which batch.

A bucket is one (height, width) of the network's input. All images of a batch share one, so that each bucket compiles
once and padding stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mindrcnn.errors import InputError

Bucket = tuple[int, int]
Ints = npt.NDArray[np.int64]

_PLAN_STREAM = 0xB47C  # keeps these draws apart from the images' for the same seed and epoch


@dataclass(frozen=True)
class PlannedBatch:
    """Places of the images in the loader's list, and the bucket they share."""

    bucket: Bucket
    indices: tuple[int, ...]


def assign_buckets(sizes: Sequence[tuple[int, int]], *, buckets: Sequence[Bucket], short_side: int) -> Ints:
    """(N,) the bucket of each image (h, w): the one that allows it the largest scale; of equals the smallest area, then
    the first."""
    image_sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 1, 2)
    bucket_sizes = np.asarray(buckets, dtype=np.float64)[None]
    limits = (bucket_sizes / image_sizes).min(axis=2)  # (N, buckets)
    scales = np.minimum(limits, short_side / image_sizes.min(axis=2))
    tied = np.isclose(scales, scales.max(axis=1, keepdims=True))
    areas = bucket_sizes.prod(axis=2)
    return np.where(tied, areas, np.inf).argmin(axis=1)


class BatchPlan:
    """Which images make up each training batch of an epoch: a function of (seed, epoch) alone.

    Every epoch has `images // global batch` steps, so steps can be counted ahead; the images beyond that, fewer than
    one global batch, are left out, others each epoch. The few of each bucket that do not fill a batch are put together,
    in the bucket that most of them belong to, so no image is left out for having a rare shape. With several processes,
    `rank` of `world_size` gets its share of every global batch, and all ranks work on the same bucket.
    """

    def __init__(
        self,
        *,
        assignment: Ints,
        buckets: Sequence[Bucket],
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._assignment = assignment
        self._buckets = tuple(buckets)
        self._batch_size = batch_size
        self._global_batch = batch_size * world_size
        self._seed = seed
        self._rank = rank
        if self._global_batch > len(assignment):
            raise InputError(
                f"train.batch_size: wanted at most the {len(assignment)} usable training images, got {batch_size}"
                + (f" x {world_size} processes" if world_size > 1 else "")
            )

    def __len__(self) -> int:
        """Steps per epoch."""
        return len(self._assignment) // self._global_batch

    def epoch(self, epoch: int) -> tuple[PlannedBatch, ...]:
        """This rank's batches, in order."""
        rng = np.random.default_rng((_PLAN_STREAM, self._seed, epoch))
        order = rng.permutation(len(self._assignment))[: len(self) * self._global_batch]
        groups: list[Ints] = []
        rests: list[Ints] = []
        for bucket in range(len(self._buckets)):
            members = order[self._assignment[order] == bucket]
            whole = len(members) // self._global_batch * self._global_batch
            groups += list(members[:whole].reshape(-1, self._global_batch))
            rests.append(members[whole:])
        # in order of their buckets, so that a batch mixes few of them
        groups += list(np.concatenate(rests).reshape(-1, self._global_batch))
        own = slice(self._rank * self._batch_size, (self._rank + 1) * self._batch_size)
        return tuple(
            PlannedBatch(self._bucket_of(groups[place]), tuple(groups[place][own].tolist()))
            for place in rng.permutation(len(groups))
        )

    def _bucket_of(self, members: Ints) -> Bucket:
        return self._buckets[int(np.bincount(self._assignment[members]).argmax())]


def evaluation_plan(assignment: Ints, *, buckets: Sequence[Bucket], batch_size: int) -> tuple[PlannedBatch, ...]:
    """Every image once, bucket by bucket in the list's order; the last batch of a bucket may be short."""
    plan = []
    for place, bucket in enumerate(buckets):
        members = np.flatnonzero(assignment == place).tolist()
        plan += [
            PlannedBatch(bucket, tuple(members[start : start + batch_size]))
            for start in range(0, len(members), batch_size)
        ]
    return tuple(plan)
