"""Detections in overlapping tiles as the objects of one image.

Objects of one class from different tiles are the same object if

* both are whole, that is end within their tiles, and their IoU reaches MATCH;
* one is whole, and at least MATCH of the other, which a tile's border cuts, lies in it (IoS, the intersection over the
  smaller area, as in SAHI);
* both are cut, and they agree about the part of the image that both tiles show: their IoU in it reaches MATCH. The IoS
  of two pieces of a long object is as low as the overlap is narrow.

Greedily, best score first, each object takes those that are the same: the best whole one stands for all of them, or
else the union of the pieces. The score is the best. Masks are compared where there are masks, otherwise boxes. Objects
of one tile are never merged: the detector has suppressed what it thinks the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.image_io import ImageSource
from mindrcnn.detections import Detections
from mindrcnn.evaluation.paste import Rle
from mindrcnn.tiling.shapes import BoxShapes, MaskShapes, Shapes
from mindrcnn.tiling.windows import Window

MATCH = 0.5
CUT_MARGIN = 0.01  # share of a tile's side: boxes end about there if the border cuts the object
LEAST_MARGIN = 2.0  # pixels
TRUSTED = 0.5  # share of the best score that a whole object needs to stand for pieces: a weak one may be a mistake


def merge_tiles(parts: Sequence[tuple[Detections, Window]], source: ImageSource, size: tuple[int, int]) -> Detections:
    """Returns the objects of an image of `size` (h, w), best score first; masks are RLE of the whole image.

    parts: what was found in each window, in the window's pixels.
    source: the image.
    size: (height, width) of the image.
    """
    placed = [_in_image(found, window, source, size) for found, window in parts]
    if len(placed) == 1:
        return placed[0]
    everything = _Everything.of(placed, [window for _, window in parts], size)
    taken = np.zeros(len(everything.scores), dtype=bool)
    kept: list[_Group] = []
    for seed in np.argsort(-everything.scores, kind="stable").tolist():
        if not taken[seed]:
            group = everything.group_of(seed, taken)
            taken[group] = True
            kept.append(everything.settle(group))
    return _detections(placed[0], kept)


def _in_image(found: Detections, window: Window, source: ImageSource, size: tuple[int, int]) -> Detections:
    """Moves what was found in a window into the image."""
    shift = np.array([window.left, window.top, window.left, window.top], dtype=np.float32)
    return replace(found, boxes=found.boxes + shift, image_size=size, source=source)


@dataclass(frozen=True)
class _Group:
    """Objects that are one."""

    box: NDArray[np.float32]
    score: np.float32
    label: np.int32
    mask: Rle | None
    mask_score: np.float32 | None


@dataclass(frozen=True, eq=False)
class _Everything:
    """The N objects of all windows in the image's pixels."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    quality: NDArray[np.float32] | None  # (N,) predicted mask IoU
    windows: Sequence[Window]
    window: NDArray[np.intp]  # (N,) position in `windows`
    cut: NDArray[np.bool_]  # (N,)
    masks: list[Rle] | None
    shapes: Shapes

    @classmethod
    def of(cls, placed: Sequence[Detections], windows: Sequence[Window], size: tuple[int, int]) -> _Everything:
        boxes = np.concatenate([found.boxes for found in placed])
        masks = None if placed[0].rle is None else [rle for found in placed for rle in found.rle or ()]
        quality = [found.iou_scores for found in placed]
        return cls(
            boxes=boxes,
            scores=np.concatenate([found.scores for found in placed]),
            labels=np.concatenate([found.labels for found in placed]),
            quality=None if any(one is None for one in quality) else np.concatenate([*quality]).astype(np.float32),
            windows=windows,
            window=np.repeat(np.arange(len(windows)), [len(found) for found in placed]),
            cut=np.concatenate(
                [_is_cut(found.boxes, window, size) for found, window in zip(placed, windows, strict=True)]
            ),
            masks=masks,
            shapes=BoxShapes(boxes.astype(np.float64)) if masks is None else MaskShapes(masks),
        )

    def group_of(self, seed: int, taken: NDArray[np.bool_]) -> list[int]:
        """Returns an object and those that are the same; what is the same as a piece of it counts as well."""
        free = ~taken & (self.labels == self.labels[seed])
        free[seed] = False
        group, pending = [seed], [seed]
        while pending:
            one = pending.pop()
            candidates = free & (self.window != self.window[one]) & self._touches(one)
            if one != seed and not self.cut[one]:  # otherwise one whole object would lead to its neighbour
                if not self._is_trusted(one, self.scores[seed]):
                    continue
                candidates &= self.cut
            same = [other for other in np.flatnonzero(candidates).tolist() if self._is_same(one, other)]
            free[same] = False
            group += same
            pending += same
        return group

    def settle(self, group: list[int]) -> _Group:
        """Returns what stands for a group: its best whole object, or the union of its pieces."""
        best = max(group, key=lambda index: float(self.scores[index]))
        whole = [index for index in group if not self.cut[index]]
        chosen = max(whole, key=lambda index: float(self.scores[index]), default=best)
        if not self._is_trusted(chosen, self.scores[best]):
            chosen = best
        box, mask = self.boxes[chosen], None if self.masks is None else self.masks[chosen]
        if self.cut[chosen] and len(group) > 1:
            pieces = [index for index in group if self.cut[index]]
            box = np.concatenate([self.boxes[pieces, :2].min(axis=0), self.boxes[pieces, 2:].max(axis=0)])
            mask = self.shapes.union(pieces)
        score = self.scores[best]
        mask_score = None if self.quality is None else np.float32(score * self.quality[chosen])
        return _Group(box, score, self.labels[best], mask, mask_score)

    def _is_trusted(self, whole: int, best: np.float32) -> bool:
        return bool(self.scores[whole] >= TRUSTED * best)

    def _touches(self, one: int) -> NDArray[np.bool_]:
        low = np.maximum(self.boxes[:, :2], self.boxes[one, :2])
        high = np.minimum(self.boxes[:, 2:], self.boxes[one, 2:])
        return np.asarray((high > low).all(axis=1))

    def _is_same(self, one: int, other: int) -> bool:
        if self.cut[one] and self.cut[other]:
            shared = _shared(self.windows[self.window[one]], self.windows[self.window[other]])
            return shared is not None and self.shapes.iou_within(one, other, shared) >= MATCH
        intersection = self.shapes.intersection(one, other)
        if self.cut[one] or self.cut[other]:
            smaller = self.shapes.area(one if self.cut[one] else other)
            return smaller > 0 and intersection >= MATCH * smaller
        union = self.shapes.area(one) + self.shapes.area(other) - intersection
        return union > 0 and intersection >= MATCH * union


def _is_cut(boxes: NDArray[np.float32], window: Window, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Tells of boxes (N, 4) in the image whether they end at a side of the window that is not the image's."""
    height, width = size
    edges = np.array([window.left, window.top, window.right, window.bottom], dtype=np.float64)
    inside = edges != (0, 0, width, height)
    side = max(window.right - window.left, window.bottom - window.top)
    near = np.abs(boxes - edges) <= max(LEAST_MARGIN, CUT_MARGIN * side)
    return np.asarray((near & inside).any(axis=1))


def _shared(first: Window, second: Window) -> Window | None:
    """Returns the part of the image that two windows share; None if there is none."""
    left, top = max(first.left, second.left), max(first.top, second.top)
    right, bottom = min(first.right, second.right), min(first.bottom, second.bottom)
    return Window(left, top, right, bottom) if left < right and top < bottom else None


def _detections(like: Detections, kept: Sequence[_Group]) -> Detections:
    """Returns groups as detections, with classes, size and source of `like`."""
    masks = None if like.rle is None else tuple(group.mask for group in kept if group.mask is not None)
    mask_scores = [group.mask_score for group in kept if group.mask_score is not None]
    return replace(
        like,
        boxes=np.array([group.box for group in kept], dtype=np.float32).reshape(-1, 4),
        scores=np.array([group.score for group in kept], dtype=np.float32),
        labels=np.array([group.label for group in kept], dtype=np.int32),
        box_masks=None,
        image_masks=masks,
        mask_scores=np.array(mask_scores, dtype=np.float32) if len(mask_scores) == len(kept) > 0 else None,
    )
