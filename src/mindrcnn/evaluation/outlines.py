"""Outlines of masks as polygons that cover the same pixels.

A pixel (x, y) covers [x, x + 1) by [y, y + 1). OpenCV follows the centres of border pixels, which loses half a pixel
on every side, a fifth of an object of ten pixels. So each mask is drawn on a grid of half pixels first, where a pixel
takes three by three nodes: the centres that OpenCV follows there are the pixels' corners.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Polygon = NDArray[np.float64]  # (n, 2) corners x, y

TOLERANCE = 0.75  # pixels that a corner may be moved by: straightens the steps of a slanted edge
LEAST_HOLE = 4.0  # pixels; smaller holes are filled
_CORNERS = 3


def mask_polygons(mask: NDArray[np.bool_], *, tolerance: float = TOLERANCE) -> list[Polygon]:
    """Returns a polygon for each connected part of a mask (H, W), in pixels.

    A hole is joined to the outline around it by a cut of no width, because formats of polygons have no holes.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return []
    grid = np.zeros((2 * height + 3, 2 * width + 3), np.uint8)
    grid[2 : 2 * height + 2 : 2, 2 : 2 * width + 2 : 2] = mask[top : top + height, left : left + width]
    grid = cv2.dilate(grid, np.ones((3, 3), np.uint8))
    contours, hierarchy = cv2.findContours(grid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if hierarchy is None:
        return []
    parents = hierarchy[0, :, 3].tolist()
    shift = np.array([left - 0.5, top - 0.5])
    outlines = [contour.reshape(-1, 2) / 2 + shift for contour in contours]
    polygons = []
    for index, parent in enumerate(parents):
        if parent < 0:
            holes = [outlines[inner] for inner, outer in enumerate(parents) if outer == index]
            polygons.append(_joined(_simplified(outlines[index], tolerance), holes, tolerance))
    return polygons


def _joined(outline: Polygon, holes: list[Polygon], tolerance: float) -> Polygon:
    """Adds the holes to an outline, each from the outline's nearest corner and back to it."""
    for hole in holes:
        if cv2.contourArea(hole.astype(np.float32)) < LEAST_HOLE:
            continue
        inner = _simplified(hole, tolerance)
        distance = ((outline[:, None] - inner[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(distance.argmin()), distance.shape)
        tour = np.roll(inner, -int(there), axis=0)
        outline = np.concatenate([outline[: here + 1], tour, tour[:1], outline[here:]])
    return outline


def _simplified(outline: Polygon, tolerance: float) -> Polygon:
    """Leaves out corners that lie within the tolerance of the line through their neighbours."""
    fewer = cv2.approxPolyDP(outline.astype(np.float32), tolerance, True).reshape(-1, 2).astype(np.float64)
    return fewer if len(fewer) >= _CORNERS else outline
