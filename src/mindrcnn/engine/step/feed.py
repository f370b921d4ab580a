"""The tensors of one training step, made from a batch on the host."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from mindspore import Tensor

# (batch, height, width, object slots) -> shapes of the sampler noise
NoiseShapes = Callable[[int, int, int, int], Sequence[tuple[int, ...]]]


class TrainBatch(Protocol):
    """The part of a batch that a step reads; shapes and meaning as in data/batching/batch.py."""

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
    """Conversion of a batch to tensors without a copy, together with the samplers' noise.

    noise_shapes: the detector's.
    seed: determines the noise together with the step number.
    rank: this process's number among `world_size`.
    world_size: number of processes. Noise is drawn for the images of all of them and each takes its own rows, so that
        an image gets the same noise however the batch is divided.
    """

    def __init__(self, *, noise_shapes: NoiseShapes, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.noise_shapes = noise_shapes
        self.seed = seed
        self.rank = rank
        self.world_size = world_size

    def __call__(self, batch: TrainBatch, step: int) -> tuple[Tensor, ...]:
        """Returns images, image_sizes, gt_boxes, gt_labels, gt_valid, gt_crowd, gt_masks, then the noise tensors."""
        count, _, height, width = batch.images.shape
        _, slots, _ = batch.gt_boxes.shape
        shapes = self.noise_shapes(count * self.world_size, height, width, slots)
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
        # Tensor(array) copies and takes 12 ms per image, from_numpy 0.3 ms
        return tuple(Tensor.from_numpy(array) for array in arrays)


# Separates this stream from others with the same seed (data augmentation, order, initialisation).
NOISE_STREAM = 0x5A3


def uniform_noise(shapes: Sequence[tuple[int, ...]], *, seed: int, step: int) -> tuple[np.ndarray, ...]:
    """Draws one float32 array per shape, uniform in [0, 1); it depends on shapes, seed and step only."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM, step))))
    return tuple(generator.random(shape, dtype=np.float32) for shape in shapes)
