"""Numbers of COCO result entries, which hold one dict per detected object, as COCO's evaluation server takes them.

image_id, category_id, bbox [x, y, width, height] in original pixels, score
segmentation {size, counts}     from a detector with masks
iou_score                       from a detector that predicts its masks' IoU; masks rank by score x iou_score
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
