"""Masks as outlines that a page can draw: few corners, in whole pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as mask_api

LONG_SIDE_PER_PIXEL = 320  # image pixels for each pixel that an outline may be off
SMALLEST_PART = 4.0  # square pixels
MOST_CORNERS = 120  # of all parts of a mask


def outline(rle: Mapping[str, Any]) -> list[list[int]]:
    """Returns the parts of a mask as flat lists x, y, x, y, ..., holes filled; the largest first."""
    bitmap: Any = mask_api.decode(rle)
    tolerance = max(1.0, max(bitmap.shape) / LONG_SIDE_PER_PIXEL)
    contours, _ = cv2.findContours(np.ascontiguousarray(bitmap), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts: list[list[int]] = []
    left = MOST_CORNERS
    for contour in sorted(contours, key=cv2.contourArea, reverse=True):
        corners = cv2.approxPolyDP(contour, tolerance, True).reshape(-1, 2)
        if len(corners) < 3 or (parts and cv2.contourArea(contour) < SMALLEST_PART) or len(corners) > left:
            continue
        left -= len(corners)
        parts.append(corners.ravel().tolist())
    return parts
