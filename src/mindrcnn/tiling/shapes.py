"""Areas and intersections of the objects of an image: by their masks or, without masks, by their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.evaluation.paste import Rle
from mindrcnn.tiling.windows import Window

Boxes = NDArray[np.float64]  # (N, 4) xyxy


class Shapes(Protocol):
    """N objects of an image, by position."""

    def area(self, index: int) -> float: ...
    def intersection(self, first: int, second: int) -> float: ...
    def iou_within(self, first: int, second: int, window: Window) -> float:
        """Returns the IoU of the parts of two objects that lie in a window."""

    def union(self, members: Sequence[int]) -> Rle | None:
        """Returns the mask that covers all members; None without masks."""


class BoxShapes:
    """Objects as their boxes."""

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes

    def area(self, index: int) -> float:
        """Returns the area in pixels."""
        return _area(self._boxes[index])

    def intersection(self, first: int, second: int) -> float:
        """Returns the area that two objects share."""
        return _area(_intersect(self._boxes[first], self._boxes[second]))

    def iou_within(self, first: int, second: int, window: Window) -> float:
        """Returns the IoU of the parts of two objects that lie in a window."""
        edges = np.array([window.left, window.top, window.right, window.bottom], np.float64)
        one, other = _intersect(self._boxes[first], edges), _intersect(self._boxes[second], edges)
        return _iou(_area(_intersect(one, other)), _area(one), _area(other))

    def union(self, members: Sequence[int]) -> Rle | None:
        """Returns None: boxes have no masks."""
        return None


class MaskShapes:
    """Objects as their masks in the whole image."""

    def __init__(self, masks: Sequence[Rle]) -> None:
        self._masks = [{"size": mask["size"], "counts": mask["counts"].encode("ascii")} for mask in masks]
        self._areas = [float(mask_api.area(mask)) for mask in self._masks]

    def area(self, index: int) -> float:
        """Returns the area in pixels."""
        return self._areas[index]

    def intersection(self, first: int, second: int) -> float:
        """Returns the area that two objects share."""
        return float(mask_api.area(mask_api.merge([self._masks[first], self._masks[second]], intersect=True)))

    def iou_within(self, first: int, second: int, window: Window) -> float:
        """Returns the IoU of the parts of two objects that lie in a window."""
        height, width = self._masks[first]["size"]
        frame = mask_api.frPyObjects([_window_counts(window, height, width)], height, width)[0]
        one, other = (mask_api.merge([self._masks[index], frame], intersect=True) for index in (first, second))
        shared = float(mask_api.area(mask_api.merge([one, other], intersect=True)))
        return _iou(shared, float(mask_api.area(one)), float(mask_api.area(other)))

    def union(self, members: Sequence[int]) -> Rle | None:
        """Returns the mask that covers all members."""
        merged = mask_api.merge([self._masks[index] for index in members])
        return Rle(size=list(merged["size"]), counts=merged["counts"].decode("ascii"))


def _window_counts(window: Window, height: int, width: int) -> dict[str, list[int]]:
    """Returns a window as plain run lengths of an image, zeros first, column by column."""
    columns, rows = window.right - window.left, window.bottom - window.top
    gap = height - rows
    counts = [window.left * height + window.top, *[rows, gap] * (columns - 1), rows]
    return {"size": [height, width], "counts": [*counts, height * width - sum(counts)]}


def _intersect(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])])


def _area(box: NDArray[np.float64]) -> float:
    return float(np.clip(box[2:] - box[:2], 0, None).prod())


def _iou(shared: float, first: float, second: float) -> float:
    union = first + second - shared
    return shared / union if union > 0 else 0.0
