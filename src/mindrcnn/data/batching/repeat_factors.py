"""Repeat-factor sampling: how often an epoch uses an image with rare classes (LVIS, https://arxiv.org/abs/1908.03195).

The factors are those of detectron2's RepeatFactorTrainingSampler. They are whole numbers of 1 / UNIT, so that their
sums, and with them the length of an epoch, are exact everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mindrcnn.data.record import Record

Ints = npt.NDArray[np.int64]

UNIT = 2**20  # parts of one use


def repeat_factors(records: Sequence[Record], *, thresh: float) -> Ints:
    """Returns the factor of each image (N,), at least 1, in parts of UNIT.

    A class in a share f of the images asks for the factor sqrt(thresh / f), and at least 1; an image has the largest
    factor of its classes, crowds included.
    """
    present = [np.unique(record.labels) for record in records]
    images_of = np.bincount(np.concatenate([np.zeros(0, np.int64), *present]), minlength=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_class = np.maximum(np.sqrt(thresh * len(present) / images_of), 1.0)
    of_image = [of_class[labels].max(initial=1.0) for labels in present]
    return np.rint(np.array(of_image) * UNIT).astype(np.int64)


def draw_uses(factors: Ints, rng: np.random.Generator) -> Ints:
    """Returns how often each image (N,) is used: its factor rounded down or up, on average the factor itself.

    Rounding is systematic over a random order, so the sum is that of the factors, rounded down or up too. Rounding each
    image by itself, as detectron2 does, would give every epoch another length.
    """
    order = rng.permutation(len(factors))
    ends = (np.cumsum(factors[order]) + int(rng.integers(UNIT))) // UNIT
    uses = np.empty_like(factors)
    uses[order] = np.diff(ends, prepend=0)
    return uses
