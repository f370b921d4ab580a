"""Prediction in stages: boxes of every view, merged on the host, then the masks of the merged boxes in every view.

This is detectron2's GeneralizedRCNNWithTTA: the boxes of each view, suppressed by themselves, are mapped back to the
image, joined and suppressed once more; masks are predicted for the result in each view, mapped back and averaged. A
network without views takes the same way with one view, which lets it suppress boxes in ways that its graph cannot.

B is the number of images, C of candidates, D of detections, M the mask side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindrcnn.test_time.suppression import Found, Suppression, joined
from mindrcnn.test_time.views import Sizes, View

Arrays = tuple[NDArray[Any], ...]


class Stages(Protocol):
    """The two halves of a network. What is computed once for both is passed from one to the other unseen."""

    def candidates(self, images: NDArray[np.uint8], image_sizes: Sizes) -> tuple[Any, Arrays]:
        """Returns the features, and boxes (B, C, 4), scores (B, C) and labels (B, C) before suppression."""

    def masks(self, features: Any, detections: Arrays) -> Arrays:
        """Returns masks (B, D, M, M) and mask_scores (B, D) of boxes, scores, labels and valid, if any."""


@dataclass(frozen=True)
class OnlyView:
    """Takes the boxes of a single view as they are."""

    def __call__(self, views: list[Found]) -> Found:
        """Returns the boxes of the view."""
        (found,) = views
        return found


@dataclass(frozen=True)
class SuppressedAgain:
    """Joins the boxes of all views and suppresses them as those of each view were."""

    suppress: Suppression

    def __call__(self, views: list[Found]) -> Found:
        """Returns the merged boxes."""
        return self.suppress(joined(views))


@dataclass(frozen=True, kw_only=True)
class StagedPredictor:
    """Predicts a batch as TwoStageDetector.predict does, from several views or with suppression on the host.

    stages: the network.
    views: the views of each image. The features of all are held until the masks are predicted.
    suppress: keeps the boxes of one view.
    merge: makes the boxes of all views those of the image, at most `slots`.
    slots: D.
    """

    stages: Stages
    views: Sequence[View]
    suppress: Suppression
    merge: Callable[[list[Found]], Found]
    slots: int

    def __call__(self, images: NDArray[np.uint8], image_sizes: Sizes) -> Arrays:
        """Returns boxes, scores, labels, valid and, with masks, masks and mask_scores, as TwoStageDetector.predict.

        images: (B, 3, H, W).
        image_sizes: (B, 2).
        """
        inputs = [view.images(images, image_sizes) for view in self.views]
        stages = [self.stages.candidates(*one) for one in inputs]
        rows = []
        for index, size in enumerate(image_sizes):
            seen = [
                self._seen(view, found, index, (size, view_sizes[index]))
                for view, (_, view_sizes), (_, found) in zip(self.views, inputs, stages, strict=True)
            ]
            rows.append(self.merge(seen))
        detections = padded(rows, self.slots)
        masks = [
            self._masks(view, features, detections, image_sizes, view_sizes)
            for view, (_, view_sizes), (features, _) in zip(self.views, inputs, stages, strict=True)
        ]
        return detections + tuple(np.mean(one, axis=0, dtype=np.float32) for one in zip(*masks, strict=True))

    def _seen(self, view: View, candidates: Arrays, index: int, sizes: tuple[Sizes, Sizes]) -> Found:
        """Returns what one view shows of one image, in the image's pixels."""
        found = self.suppress(Found(*(column[index] for column in candidates)))
        return found._replace(boxes=view.boxes_from(found.boxes, *sizes))

    def _masks(self, view: View, features: Any, detections: Arrays, sizes: Sizes, view_sizes: Sizes) -> Arrays:
        """Returns the masks of all detections in one view, mirrored back, and their scores."""
        boxes, *others = detections
        moved = np.stack([view.boxes_to(*one) for one in zip(boxes, sizes, view_sizes, strict=True)])
        moved *= others[-1][..., None]  # a mirrored box of an unused slot is not zero
        outputs = self.stages.masks(features, (moved, *others))
        return tuple(view.mirror(masks) for masks in outputs[:1]) + tuple(outputs[1:])


def padded(rows: Sequence[Found], slots: int) -> Arrays:
    """Returns boxes (B, D, 4), scores (B, D), labels (B, D) and valid (B, D) with zeros in unused slots."""
    shape = (len(rows), slots)
    boxes, scores = np.zeros((*shape, 4), np.float32), np.zeros(shape, np.float32)
    labels, valid = np.zeros(shape, np.int32), np.zeros(shape, bool)
    for index, row in enumerate(rows):
        count = len(row.scores)
        boxes[index, :count], scores[index, :count], labels[index, :count] = row
        valid[index, :count] = True
    return boxes, scores, labels, valid
