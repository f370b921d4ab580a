"""Left-right flip."""

from __future__ import annotations

import cv2
import numpy as np

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.target import Target


def flip(image: RGBImage, target: Target) -> tuple[RGBImage, Target]:
    """The mirrored image and objects. Twice is the identity."""
    width = image.shape[1]
    x1, y1, x2, y2 = target.boxes.astype(np.float64).T
    boxes = np.stack([width - x2, y1, width - x1, y2], axis=1)
    return np.asarray(cv2.flip(image, 1), dtype=np.uint8), target.moved(boxes, target.frame.mirrored(width))
