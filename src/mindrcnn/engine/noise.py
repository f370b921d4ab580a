"""Random numbers for the samplers, made outside the graph so that a step can be replayed."""

from collections.abc import Sequence

import numpy as np

# Keeps this stream apart from others drawn from the same seed (data augmentation, order, initialisation).
NOISE_STREAM = 0x5A3


def uniform_noise(shapes: Sequence[tuple[int, ...]], *, seed: int, step: int) -> tuple[np.ndarray, ...]:
    """One float32 array, uniform in [0, 1), per shape; a function of (shapes, seed, step) alone."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(NOISE_STREAM, step))))
    return tuple(generator.random(shape, dtype=np.float32) for shape in shapes)
