"""COCO average precision of boxes and masks, computed by faster-coco-eval or pycocotools with the same results.

Boundary AP of masks (Cheng et al., Boundary IoU, 2021, arXiv:2103.16562) is computed by faster-coco-eval only.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import faster_coco_eval
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mindrcnn.data.federation import Federation
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.federated import DETECTIONS, counted, federated_truth
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, load_ground_truth, to_rle
from mindrcnn.evaluation.coco.metrics import (
    AREAS,
    LINES,
    LVIS_LINES,
    MAX_DETECTIONS,
    ClassMetrics,
    IouType,
    Metrics,
    coco_stats,
    detection_limits,
    mean_or_nothing,
    table_text,
    threshold_index,
)
from mindrcnn.messages import shorten

SHOWN_IDS = 5  # image ids in a message

logger = logging.getLogger(__name__)

Backend = Literal["faster_coco_eval", "pycocotools"]
Curves = tuple[NDArray[np.float64], NDArray[np.float64]]


def evaluate(
    ground_truth: GroundTruth | Mapping[str, Any] | Path | str,
    results: Sequence[Mapping[str, Any]],
    *,
    iou_type: IouType,
    backend: Backend = "faster_coco_eval",
    image_ids: Sequence[int] | None = None,
    category_ids: Sequence[int] | None = None,
    max_detections: int = MAX_DETECTIONS,
    federation: Federation | None = None,
) -> Metrics:
    """Scores result entries (see results.py) against the ground truth.

    Masks rank by score x iou_score if the entries have iou_score, boxes by score; masks fall into size classes by mask
    area. For "boundary", the IoU of a pair is the lesser of the IoU of the masks and that of their boundaries, which
    are 2 % of the image's diagonal wide.

    ground_truth: GroundTruth, COCO annotation file or dict; every image counts, even one without results.
    results: COCO result entries.
    iou_type: bbox, segm or boundary.
    backend: faster_coco_eval or pycocotools.
    image_ids: images to evaluate; None for all.
    category_ids: categories to evaluate; None for all.
    max_detections: most detections of a class in an image that are counted, by score.
    federation: which classes each image was searched for; with it the numbers are lvis-api's, of the best 300
        detections of an image.

    Raises InputError for an unknown image, for missing masks in a mask evaluation, and for boundary evaluation with
    pycocotools.
    """
    truth = ground_truth if isinstance(ground_truth, GroundTruth) else load_ground_truth(ground_truth)
    known_images = {image["id"] for image in truth.images}
    truth = truth.subset(image_ids, category_ids)
    if federation is not None:
        truth, max_detections = federated_truth(truth, federation), DETECTIONS
    if not truth.categories:
        raise InputError(f"{truth.name}: wanted at least one category, got none")
    if iou_type == "boundary" and backend != "faster_coco_eval":
        raise InputError(f"boundary evaluation: wanted the backend faster_coco_eval, got {backend}")
    if iou_type != "bbox" and not truth.has_masks:
        unmasked = next(annotation for annotation in truth.annotations if "segmentation" not in annotation)
        where = f"{truth.name}: annotations, entry {unmasked['id'] - 1}"
        raise InputError(f"{where}: wanted a segmentation for {iou_type} evaluation, got none")
    detections = _detections(results, truth, known_images, iou_type)
    if federation is not None:
        detections = counted(detections, truth, federation)
    numbers = Numbers(truth)
    sides = numbers.content(truth.annotations), numbers.content(detections)
    curves = _BACKENDS[backend](sides, iou_type, list(detection_limits(max_detections)))
    return _metrics(truth, curves, iou_type, max_detections, federation)


def _detections(
    results: Sequence[Mapping[str, Any]], truth: GroundTruth, known_images: set[int], iou_type: IouType
) -> list[dict[str, Any]]:
    """Converts result entries to annotations with id, area, iscrowd, and the score for this kind of evaluation."""
    sizes, categories = truth.image_sizes, set(truth.category_ids)
    detections: list[dict[str, Any]] = []
    for index, entry in enumerate(results):
        image_id = entry["image_id"]
        if image_id not in known_images:
            raise InputError(f"results, entry {index}: wanted an image_id of {truth.name}, got {image_id}")
        if image_id not in sizes or entry["category_id"] not in categories:
            continue
        detection: dict[str, Any] = {
            "id": len(detections) + 1,
            "image_id": image_id,
            "category_id": entry["category_id"],
            "iscrowd": 0,
        }
        rle = to_rle(entry["segmentation"], *sizes[image_id]) if "segmentation" in entry else None
        if iou_type != "bbox":
            if rle is None:
                raise InputError(f"results, entry {index}: wanted a segmentation for {iou_type} evaluation, got none")
            detection |= {"segmentation": rle, "area": float(mask_api.area(rle))}
            detection["score"] = entry["score"] * entry.get("iou_score", 1.0)
        else:
            detection["score"] = entry["score"]
        box = list(entry["bbox"]) if "bbox" in entry else mask_api.toBbox(rle).tolist()
        detection["bbox"] = box
        detection.setdefault("area", box[2] * box[3])
        detections.append(detection)
    return detections


def log_uncounted(results: Sequence[Mapping[str, Any]], *, max_detections: int) -> None:
    """Logs how many result entries are beyond the best `max_detections` of their class and image."""
    counts = Counter((entry["image_id"], entry["category_id"]) for entry in results)
    further = {image_id: count - max_detections for (image_id, _), count in counts.items() if count > max_detections}
    if further:
        total = sum(max(count - max_detections, 0) for count in counts.values())
        logger.warning(
            "%d detections are not counted: those beyond the best %d of a class in an image (image ids %s); "
            "eval.max_detections sets the limit",
            total, max_detections, shorten(further, SHOWN_IDS),
        )  # fmt: skip


class Numbers:
    """Images and categories numbered from 1, in the order of their ids.

    The evaluators keep ids in a double or an int64, where large ones become others.
    """

    def __init__(self, truth: GroundTruth) -> None:
        self._sizes = truth.image_sizes
        self._images = {one: number for number, one in enumerate(sorted(self._sizes), start=1)}
        self._categories = {one: number for number, one in enumerate(truth.category_ids, start=1)}

    def content(self, annotations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Returns COCO content of copies of the annotations, because the evaluators write into them."""
        return {
            "info": {},
            "images": [
                {"id": number, "height": self._sizes[one][0], "width": self._sizes[one][1]}
                for one, number in self._images.items()
            ],
            "categories": [{"id": number, "name": str(number)} for number in self._categories.values()],
            "annotations": [
                {
                    **one,
                    "image_id": self._images[one["image_id"]],
                    "category_id": self._categories[one["category_id"]],
                }
                for one in annotations
            ],
        }


Sides = tuple[dict[str, Any], dict[str, Any]]  # COCO content of ground truth and detections


def _run_pycocotools(contents: Sides, iou_type: IouType, limits: list[int]) -> Curves:
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for content in contents:
            side = COCO()
            side.dataset = content
            side.createIndex()
            sides.append(side)
        evaluator = COCOeval(*sides, iou_type)
        evaluator.params.maxDets = limits
        evaluator.evaluate()
        evaluator.accumulate()
    return evaluator.eval["precision"], evaluator.eval["recall"]


def _run_faster_coco_eval(contents: Sides, iou_type: IouType, limits: list[int]) -> Curves:
    sides = [faster_coco_eval.COCO(content, print_function=logger.debug) for content in contents]
    evaluator = faster_coco_eval.COCOeval_faster(*sides, iou_type, print_function=logger.debug)
    evaluator.params.maxDets = limits
    evaluator.evaluate()
    evaluator.accumulate()
    return np.asarray(evaluator.eval["precision"]), np.asarray(evaluator.eval["recall"])


_BACKENDS = {"faster_coco_eval": _run_faster_coco_eval, "pycocotools": _run_pycocotools}


def _metrics(
    truth: GroundTruth, curves: Curves, iou_type: IouType, max_detections: int, federation: Federation | None
) -> Metrics:
    precision, recall = curves
    lines = LINES if federation is None else LVIS_LINES
    frequencies = [None if federation is None else federation.frequency.get(one) for one in truth.category_ids]
    stats = coco_stats(precision, recall, max_detections=max_detections, lines=lines, frequencies=frequencies)
    objects = Counter(annotation["category_id"] for annotation in truth.annotations if not annotation["iscrowd"])
    names = {category["id"]: str(category["name"]) for category in truth.categories}
    all_areas = precision[..., AREAS.index("all"), -1]
    per_class = tuple(
        ClassMetrics(
            name=names[category_id],
            category_id=category_id,
            ap=mean_or_nothing(all_areas[:, :, position]),
            ap50=mean_or_nothing(all_areas[threshold_index(0.5), :, position]),
            objects=objects[category_id],
        )
        for position, category_id in enumerate(truth.category_ids)
    )
    return Metrics(
        iou_type=iou_type,
        stats=stats,
        per_class=per_class,
        images=len(truth.images),
        table=table_text(stats, max_detections=max_detections, lines=lines),
    )
