"""Overlaps of detections with objects of the same image, of whatever class: the pairs that overlap at all, once for
each kind of IoU. Every question of the report is answered from these pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as mask_api

from mindrcnn.evaluation.coco.metrics import IouType
from mindrcnn.report.boundaries import Boundary, boundary_iou, find_boundaries
from mindrcnn.report.sides import Bools, Doubles, Found, Ints, Truth

PAIRS_AT_ONCE = 2_000_000  # of boxes, which bounds the memory


@dataclass(frozen=True, eq=False)
class Overlaps:
    """P pairs whose IoU is above 0, ordered by detection, then by object.

    found, object: (P,) int32, places of the detection and of the object.
    iou: (P,) float64; with a crowd, the part of the detection inside it.
    """

    found: Ints
    object: Ints
    iou: Doubles

    def select(self, chosen: Bools) -> Overlaps:
        """Returns the pairs where `chosen` (P,) is true."""
        return Overlaps(self.found[chosen], self.object[chosen], self.iou[chosen])


def find_overlaps(truth: Truth, found: Found, iou_type: IouType) -> Overlaps:
    """Computes the IoUs of boxes, masks or boundaries; those of boundaries for pairs of the same class only."""
    boxes = _candidates(truth, found)
    if iou_type == "bbox":
        return _box_overlaps(boxes, truth, found)
    candidates = Overlaps(*boxes, iou=np.zeros(0))
    masks = _mask_overlaps(candidates, truth, found)
    if iou_type == "segm":
        return masks
    same = truth.label[masks.object] == found.label[masks.found]
    return _boundary_overlaps(masks.select(same & (masks.iou >= 0.5)), truth, found)


def _candidates(truth: Truth, found: Found) -> tuple[Ints, Ints]:
    """Returns all pairs of the same image: places of detections and of objects, (P,) int32 each."""
    order = np.argsort(truth.image, kind="stable").astype(np.int32)
    starts = np.searchsorted(truth.image[order], np.arange(len(truth.image_ids) + 1))
    counts = (starts[1:] - starts[:-1])[found.image]
    pair_found = np.repeat(np.arange(len(found.image), dtype=np.int32), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    within = np.arange(len(pair_found)) - first
    return pair_found, order[starts[found.image[pair_found]] + within]


def _box_overlaps(candidates: tuple[Ints, Ints], truth: Truth, found: Found) -> Overlaps:
    parts = []
    for start in range(0, max(len(candidates[0]), 1), PAIRS_AT_ONCE):
        of_found, of_object = (side[start : start + PAIRS_AT_ONCE] for side in candidates)
        iou = box_ious(found.boxes[of_found], truth.boxes[of_object], truth.crowd[of_object])
        parts.append(Overlaps(of_found, of_object, iou).select(iou > 0))
    return Overlaps(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("found", "object", "iou")))


def box_ious(first: Doubles, second: Doubles, crowd: Bools) -> Doubles:
    """Computes (P,) IoUs of two lists of boxes (P, 4) as pycocotools does, to the last bit.

    first, second: xywh.
    crowd: (P,) bool, whether the second is a crowd: then the intersection is divided by the first's area.
    """
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:])
    sides = np.maximum(high - low, 0)
    common = sides[:, 0] * sides[:, 1]
    area = first[:, 2] * first[:, 3]
    union = np.where(crowd, area, area + second[:, 2] * second[:, 3] - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def _mask_overlaps(candidates: Overlaps, truth: Truth, found: Found) -> Overlaps:
    """Computes the IoUs of masks, image by image."""
    assert truth.masks is not None
    assert found.masks is not None
    iou = np.zeros(len(candidates.found))
    for pairs, detections, objects in _by_image(candidates, found.image):
        crowd = truth.crowd[objects].astype(np.uint8).tolist()
        ious = mask_api.iou([found.masks[one] for one in detections], [truth.masks[one] for one in objects], crowd)
        iou[pairs] = np.asarray(ious).ravel()
    return Overlaps(candidates.found, candidates.object, iou).select(iou > 0)


def _by_image(pairs: Overlaps, image: Ints) -> list[tuple[slice, list[int], list[int]]]:
    """Splits all pairs of the images: (places of the pairs, detections, objects) of each image."""
    edges = np.flatnonzero(np.diff(image[pairs.found], prepend=-1, append=-1))
    split = []
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        detections = np.unique(pairs.found[start:end]).tolist()
        split.append(
            (slice(start, end), detections, pairs.object[start : start + (end - start) // len(detections)].tolist())
        )
    return split


def _boundary_overlaps(masks: Overlaps, truth: Truth, found: Found) -> Overlaps:
    """Computes the IoUs of boundaries, image by image; the lesser of that and of the masks' counts."""
    assert truth.masks is not None
    assert found.masks is not None
    iou = np.zeros(len(masks.found))
    edges = np.flatnonzero(np.diff(found.image[masks.found], prepend=-1, append=-1)).tolist()
    for start, end in itertools.pairwise(edges):
        detections, objects = masks.found[start:end].tolist(), masks.object[start:end].tolist()
        of_found = _boundaries(found.masks, detections)
        of_object = _boundaries(truth.masks, objects)
        iou[start:end] = [
            boundary_iou(of_found[one], of_object[other], crowd=bool(truth.crowd[other]))
            for one, other in zip(detections, objects, strict=True)
        ]
    return Overlaps(masks.found, masks.object, np.minimum(masks.iou, iou))


def _boundaries(masks: Sequence[Mapping[str, Any]], places: Sequence[int]) -> dict[int, Boundary]:
    """Returns the boundary of each mask at these places, all of one image."""
    wanted = list(dict.fromkeys(places))
    return dict(zip(wanted, find_boundaries([masks[place] for place in wanted]), strict=True))
