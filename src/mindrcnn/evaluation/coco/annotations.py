"""COCO annotations made from the records of a data set that has no COCO file."""

from __future__ import annotations

from typing import Any

from pycocotools import mask as mask_api

from mindrcnn.data.masks import Polygons, Segmentation
from mindrcnn.data.record import Dataset, Record
from mindrcnn.evaluation.coco.ground_truth import to_rle


def coco_annotations(dataset: Dataset) -> dict[str, Any]:
    """Returns images, categories and annotations in the form of a COCO file.

    Boxes are xywh in original pixels; area is that of the mask, or of the box if there is no mask; ids count from 1.
    """
    annotations: list[dict[str, Any]] = []
    for record in dataset.records:
        for entry in _annotations(record, dataset.category_ids):
            annotations.append({"id": len(annotations) + 1, **entry})
    return {
        "images": [
            {"id": record.image_id, "file_name": record.path.name, "height": record.height, "width": record.width}
            for record in dataset.records
        ],
        "categories": [
            {"id": category_id, "name": name}
            for category_id, name in zip(dataset.category_ids, dataset.classes, strict=True)
        ],
        "annotations": annotations,
    }


def _annotations(record: Record, category_ids: tuple[int, ...]) -> list[dict[str, Any]]:
    entries = []
    for box, label, crowd, segmentation in zip(
        record.boxes.astype(float).tolist(), record.labels.tolist(), record.crowd, record.segmentations, strict=True
    ):
        x_low, y_low, x_high, y_high = box
        entry: dict[str, Any] = {
            "image_id": record.image_id,
            "category_id": category_ids[label - 1],
            "bbox": [x_low, y_low, x_high - x_low, y_high - y_low],
            "area": (x_high - x_low) * (y_high - y_low),
            "iscrowd": int(crowd),
        }
        if segmentation is not None:
            entry["segmentation"] = coco_segmentation(segmentation)
            entry["area"] = float(mask_api.area(to_rle(entry["segmentation"], record.height, record.width)))
        entries.append(entry)
    return entries


def coco_segmentation(segmentation: Segmentation) -> list[list[float]] | dict[str, Any]:
    """Returns a record's mask in COCO's form: a list of polygons, or RLE with uncompressed counts."""
    if isinstance(segmentation, Polygons):
        return [list(part) for part in segmentation.parts]
    return {"size": [segmentation.height, segmentation.width], "counts": segmentation.runs.tolist()}
