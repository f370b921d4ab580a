"""One image's detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best score first as the detector gives it; D objects.

    boxes: (D, 4) float32 xyxy in pixels of the original image, inside it.
    scores: (D,) float32 class probability.
    labels: (D,) int32, 1..K.
    masks: (D, M, M) float32 probabilities in the frame of each box, or None for a box-only detector.
    mask_scores: (D,) float32, the score that ranks the mask (class score x predicted IoU), or None where the detector
        predicts no IoU.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    masks: NDArray[np.float32] | None = None
    mask_scores: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Detections:
        """The detections at `index` (bool mask or positions)."""
        return Detections(
            boxes=self.boxes[index],
            scores=self.scores[index],
            labels=self.labels[index],
            masks=None if self.masks is None else self.masks[index],
            mask_scores=None if self.mask_scores is None else self.mask_scores[index],
        )

    def iou_scores(self) -> NDArray[np.float64] | None:
        """(D,) predicted mask IoU: mask_scores / scores, or None where the detector predicts none."""
        if self.mask_scores is None:
            return None
        scores = self.scores.astype(np.float64)
        return np.divide(self.mask_scores, scores, out=np.zeros_like(scores), where=scores > 0)
