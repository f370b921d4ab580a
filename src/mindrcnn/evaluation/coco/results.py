"""COCO result entries: one dict per detected object, as COCO's evaluation server takes them.

image_id, category_id, bbox [x, y, width, height] in original pixels, score
segmentation {size, counts}     from a detector with masks
iou_score                       from a detector that predicts its masks' IoU; masks rank by score x iou_score
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.detections import Detections
from mindrcnn.evaluation.rle import Rle

BOX_DECIMALS = 3  # a thousandth of a pixel: keeps files small, and boxes given with COCO's two decimals exact


def rounded_xywh(boxes: NDArray[np.float32]) -> list[list[float]]:
    """Boxes (D, 4) xyxy as lists [x, y, width, height]."""
    corners = np.round(boxes.astype(np.float64), BOX_DECIMALS)
    x_low, y_low, x_high, y_high = corners.T
    xywh = np.stack([x_low, y_low, x_high - x_low, y_high - y_low], axis=1)
    return np.round(xywh, BOX_DECIMALS).tolist()


def shortest(values: NDArray[np.floating]) -> list[float]:
    """Floats with no more digits than tell the float32 values apart: order and ties are kept, text is half as long."""
    return [float(str(value)) for value in values.astype(np.float32)]


def result_entries(
    image_id: int, detections: Detections, rles: Sequence[Rle] | None, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """One image's entries; category_ids[label - 1] is the data set's id of a label."""
    entries: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": int(category_ids[label - 1]), "bbox": box, "score": score}
        for label, box, score in zip(
            detections.labels.tolist(), rounded_xywh(detections.boxes), shortest(detections.scores), strict=True
        )
    ]
    if rles is not None:
        for entry, rle in zip(entries, rles, strict=True):
            entry["segmentation"] = dict(rle)
    iou_scores = detections.iou_scores()
    if iou_scores is not None:
        for entry, iou_score in zip(entries, shortest(iou_scores), strict=True):
            entry["iou_score"] = iou_score
    return entries
