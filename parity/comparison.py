"""What a comparison gives: one number, the limit it must keep, and what it was measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mindrcnn.ops.boxes import pairwise_iou

MATCH_IOU = 0.99
SCORE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Comparison:
    """`value` of `measure` at a stage. It must be at least `limit` where `share` is set, else at most."""

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
    """Largest absolute difference over the standard deviation of theirs."""
    return float(np.abs(ours.astype(np.float64) - theirs).max() / theirs.std())


def matched_share(
    boxes: NDArray, theirs: NDArray, scores: NDArray | None = None, their_scores: NDArray | None = None
) -> float:
    """Share of their boxes that have one of ours at MATCH_IOU, with a score within SCORE_TOLERANCE where given."""
    near = pairwise_iou(Tensor(theirs), Tensor(boxes)).asnumpy() > MATCH_IOU
    if scores is not None and their_scores is not None:
        near &= np.abs(their_scores[:, None] - scores[None]) < SCORE_TOLERANCE
    return float(near.any(axis=1).mean())
