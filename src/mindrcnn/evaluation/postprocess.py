"""From the padded outputs of a batch to each image's detections in its original pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.detections import Detections


def undo_resize(
    boxes: NDArray[np.float32], valid_size: tuple[int, int], original_size: tuple[int, int]
) -> NDArray[np.float32]:
    """Boxes (D, 4) xyxy from network-input pixels to the original image, clipped to it.

    valid_size: (h, w) of the resized image before padding; original_size: (h, w) of the file as decoded. Each axis has
    its own factor, since resizing rounds the two sides separately.
    """
    (valid_height, valid_width), (height, width) = valid_size, original_size
    x_scale, y_scale = width / valid_width, height / valid_height
    scaled = boxes.astype(np.float64) * (x_scale, y_scale, x_scale, y_scale)
    return np.clip(scaled, 0, (width, height, width, height)).astype(np.float32)


def image_detections(
    outputs: tuple[NDArray, ...], index: int, *, valid_size: tuple[int, int], original_size: tuple[int, int]
) -> Detections:
    """Detections of image `index` of a batch; unused slots and boxes that become empty are left out.

    outputs: boxes (B, D, 4) in network-input pixels, scores (B, D), labels (B, D), valid (B, D) bool and, from a
    detector with masks, masks (B, D, M, M) and mask_scores (B, D). A detector without mask scoring repeats `scores`
    as mask_scores; the repetition is dropped here, because it says nothing about the masks.
    """
    boxes, scores, labels, valid, *mask_outputs = (output[index] for output in outputs)
    masks, mask_scores = (*mask_outputs, None, None)[:2]
    if mask_scores is not None and np.array_equal(mask_scores[valid], scores[valid]):
        mask_scores = None
    original_boxes = undo_resize(boxes, valid_size, original_size)
    not_empty = (original_boxes[:, 2] > original_boxes[:, 0]) & (original_boxes[:, 3] > original_boxes[:, 1])
    found = Detections(boxes=original_boxes, scores=scores, labels=labels, masks=masks, mask_scores=mask_scores)
    return found.select(valid.astype(bool) & not_empty)
