"""From a host batch to the tensors of one training step."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from mindspore import Tensor

# (batch, height, width, object slots) -> shapes of the sampler noise
NoiseShapes = Callable[[int, int, int, int], Sequence[tuple[int, ...]]]


class TrainBatch(Protocol):
    """What a step reads of a batch; shapes and meaning as in data/batching/batch.py."""

    @property
    def images(self) -> np.ndarray: ...
    @property
    def image_sizes(self) -> np.ndarray: ...
    @property
    def gt_boxes(self) -> np.ndarray: ...
    @property
    def gt_labels(self) -> np.ndarray: ...
    @property
    def gt_valid(self) -> np.ndarray: ...
    @property
    def gt_crowd(self) -> np.ndarray: ...
    @property
    def gt_masks(self) -> np.ndarray: ...


class BatchFeed:
    """Adds the samplers' noise and hands the arrays over without copying them.

    noise_shapes: the detector's. seed: with the step number it determines the noise, which is drawn for the images of
    all `world_size` processes; each takes the rows of its own, so that an image gets the same noise in any division.
    """

    def __init__(self, *, noise_shapes: NoiseShapes, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.noise_shapes = noise_shapes
        self.seed = seed
        self.rank = rank
        self.world_size = world_size

    def __call__(self, batch: TrainBatch, step: int) -> tuple[Tensor, ...]:
        """images, image_sizes, gt_boxes, gt_labels, gt_valid, gt_crowd, gt_masks, then the noise arrays."""
        count, _, height, width = batch.images.shape
        shapes = self.noise_shapes(count * self.world_size, height, width, batch.gt_boxes.shape[1])
        own = slice(self.rank * count, (self.rank + 1) * count)
        arrays = (
            batch.images,
            batch.image_sizes,
            batch.gt_boxes,
            batch.gt_labels,
            batch.gt_valid,
            batch.gt_crowd,
            batch.gt_masks,
            *(noise[own] for noise in uniform_noise(shapes, seed=self.seed, step=step)),
        )
        # Tensor(array) copies and takes 12 ms for an image, from_numpy 0.3 ms
        return tuple(Tensor.from_numpy(array) for array in arrays)


# Keeps this stream apart from others drawn from the same seed (data augmentation, order, initialisation).
NOISE_STREAM = 0x5A3


def uniform_noise(shapes: Sequence[tuple[int, ...]], *, seed: int, step: int) -> tuple[np.ndarray, ...]:
    """One float32 array, uniform in [0, 1), per shape; a function of (shapes, seed, step) alone."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM, step))))
    return tuple(generator.random(shape, dtype=np.float32) for shape in shapes)
