"""Input sizes, and the assignment of images to batches.

A bucket is one (height, width) that images are resized into; the network's input is padded to the stride. All images of
a batch share a bucket, so each bucket compiles once and padding stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mindrcnn.data.batching.repeat_factors import UNIT, draw_uses
from mindrcnn.errors import InputError

Bucket = tuple[int, int]
Ints = npt.NDArray[np.int64]

INPUT_STRIDE = 32  # coarsest backbone stride: FPN's top-down 2x upsampling is exact only on multiples of it

_PLAN_STREAM = 0xB47C  # keeps these draws apart from the images' for the same seed and epoch


@dataclass(frozen=True)
class PlannedBatch:
    """Indices into the loader's list of images, and the bucket they share.

    uses: how often the epoch has used each of them before; empty for never.
    """

    bucket: Bucket
    indices: tuple[int, ...]
    uses: tuple[int, ...] = ()


def padded_size(bucket: Bucket) -> tuple[int, int]:
    """Returns the network's input (h, w) for a bucket: its sides, rounded up to multiples of the stride."""
    height, width = (-(-side // INPUT_STRIDE) * INPUT_STRIDE for side in bucket)
    return height, width


def assign_buckets(sizes: Sequence[tuple[int, int]], *, buckets: Sequence[Bucket], short_side: int) -> Ints:
    """Assigns each of N images (h, w) to the bucket that allows the largest scale; returns the buckets' indices (N,).

    Of equally good buckets the smallest wins, then the first.
    """
    image_sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 1, 2)
    bucket_sizes = np.asarray(buckets, dtype=np.float64)[None]
    limits = (bucket_sizes / image_sizes).min(axis=2)  # (N, number of buckets)
    scales = np.minimum(limits, short_side / image_sizes.min(axis=2))
    tied = np.isclose(scales, scales.max(axis=1, keepdims=True))
    areas = bucket_sizes.prod(axis=2)
    return np.where(tied, areas, np.inf).argmin(axis=1)


class BatchPlan:
    """The images of each training batch of an epoch, a function of (seed, epoch) alone.

    Every epoch has `images // global batch` steps, so steps can be counted in advance. The remaining images, fewer than
    one global batch, are left out; each epoch leaves out different ones. With repeat factors an epoch has as many
    images as their sum, and repeats in it are further images. Images that do not fill a batch of their own
    bucket are combined, in the bucket that most of them belong to, so no image is left out for its rare shape. With
    several processes, each rank gets its share of every global batch, and all ranks use the same bucket.

    assignment: (N,) index of each image's bucket.
    buckets: (height, width) of each bucket.
    batch_size: images per batch of one process.
    seed: the source of the order.
    rank, world_size: this process and the number of processes.
    factors: (N,) how often an epoch uses each image, in parts of UNIT; None uses each once.
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
        factors: Ints | None = None,
    ) -> None:
        self._assignment = assignment
        self._factors = factors
        self._images = len(assignment) if factors is None else int(factors.sum()) // UNIT
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
        """Returns the number of steps per epoch."""
        return self._images // self._global_batch

    def epoch(self, epoch: int) -> tuple[PlannedBatch, ...]:
        """Returns this rank's batches in order."""
        rng = np.random.default_rng((_PLAN_STREAM, self._seed, epoch))
        uses = self._uses(rng)
        order = rng.permutation(len(uses))[: len(self) * self._global_batch]
        groups: list[Ints] = []
        rests: list[Ints] = []
        for bucket in range(len(self._buckets)):
            members = uses[order][self._assignment[uses[order] % len(self._assignment)] == bucket]
            whole = len(members) // self._global_batch * self._global_batch
            groups += list(members[:whole].reshape(-1, self._global_batch))
            rests.append(members[whole:])
        # ordered by bucket, so that a batch mixes few buckets
        groups += list(np.concatenate(rests).reshape(-1, self._global_batch))
        own = slice(self._rank * self._batch_size, (self._rank + 1) * self._batch_size)
        return tuple(self._planned(groups[index], own) for index in rng.permutation(len(groups)))

    def _uses(self, rng: np.random.Generator) -> Ints:
        """Returns an epoch's uses of images, each the image's index plus N times the number of its earlier uses."""
        images = len(self._assignment)
        if self._factors is None:
            return np.arange(images)
        counts = draw_uses(self._factors, rng)
        earlier = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(np.arange(images), counts) + images * earlier

    def _planned(self, members: Ints, own: slice) -> PlannedBatch:
        """Returns one rank's part of a global batch, members (global batch,) as `_uses` numbers them."""
        earlier, indices = np.divmod(members, len(self._assignment))
        bucket = self._buckets[int(np.bincount(self._assignment[indices]).argmax())]
        return PlannedBatch(bucket, tuple(indices[own].tolist()), tuple(earlier[own].tolist()))


def evaluation_plan(assignment: Ints, *, buckets: Sequence[Bucket], batch_size: int) -> tuple[PlannedBatch, ...]:
    """Plans every image once, bucket by bucket in the list's order; the last batch of a bucket may be short."""
    plan = []
    for index, bucket in enumerate(buckets):
        members = np.flatnonzero(assignment == index).tolist()
        plan += [
            PlannedBatch(bucket, tuple(members[start : start + batch_size]))
            for start in range(0, len(members), batch_size)
        ]
    return tuple(plan)
