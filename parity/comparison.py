"""Single comparisons: a number, the limit it must keep, and what it was measured on."""

from dataclasses import dataclass

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mindrcnn.ops.boxes import pairwise_iou

MATCH_IOU = 0.99
SCORE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """The `value` of a `measure` at a stage.

    share: the value must be at least `limit`, otherwise at most.
    """

    stage: str
    measure: str
    value: float
    limit: float
    share: bool = False

    @property
    def holds(self) -> bool:
        return self.value >= self.limit if self.share else self.value <= self.limit

    def __str__(self) -> str:
        bound = "least" if self.share else "most"
        return f"{self.stage}: {self.measure} {self.value:.3g}, wanted at {bound} {self.limit:g}"


def relative_difference(ours: NDArray, theirs: NDArray) -> float:
    """Returns the largest absolute difference, divided by the standard deviation of the reference."""
    return float(np.abs(ours.astype(np.float64) - theirs).max() / theirs.std())


def matched_share(
    boxes: NDArray, theirs: NDArray, scores: NDArray | None = None, their_scores: NDArray | None = None
) -> float:
    """Returns the share of reference boxes that have a box of this package at MATCH_IOU.

    If scores are given, they must also agree within SCORE_TOLERANCE.

    boxes: (N, 4) of this package.
    theirs: (M, 4) of the reference.
    scores: (N,).
    their_scores: (M,).
    """
    near = pairwise_iou(Tensor(theirs), Tensor(boxes)).asnumpy() > MATCH_IOU
    if scores is not None and their_scores is not None:
        near &= np.abs(their_scores[:, None] - scores[None]) < SCORE_TOLERANCE
    return float(near.any(axis=1).mean())
