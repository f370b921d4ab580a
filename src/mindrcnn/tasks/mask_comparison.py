"""The masks that several models give to the same objects, enlarged and side by side.

A row is an annotated object that every model found, of those some that are spread over all sizes, largest first; the
columns are the annotation and the models.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.data.image_io import read_image
from mindrcnn.drawing.objects import draw_mask, with_heading
from mindrcnn.drawing.palette import class_colour
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, load_ground_truth
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.tasks.split_evaluator import evenly_spaced

logger = logging.getLogger(__name__)

CELL = 320  # pixels, side of one object's picture
GAP = 6  # pixels
SURROUNDINGS = 0.15  # shown on each side of an object, in shares of its longer side
FOUND_IOU = 0.5  # with the annotated mask: COCO's least for a detection
LINE = 2  # pixels

Annotation = dict[str, Any]
Results = dict[str, list[dict[str, Any]]]  # entries by model


def compare(truth: GroundTruth, images: Path, results: Results, *, count: int) -> NDArray[np.uint8]:
    """The picture (H, W, 3) RGB. InputError where no object was found by all."""
    found = [(one, masks) for one in largest_first(truth) if (masks := found_masks(one, results)) is not None]
    objects = evenly_spaced(found, count)
    if not objects:
        raise InputError(f"wanted an object that {' and '.join(results)} found (mask IoU {FOUND_IOU:g}), got none")
    files = {image["id"]: image["file_name"] for image in truth.images}
    rows: list[NDArray[np.uint8]] = []
    for one, masks in objects:
        image = read_image(images / files[one["image_id"]])
        columns = {"annotation": one["segmentation"], **masks}
        cells = [cell(image, rle, one) for rle in columns.values()]
        if not rows:
            cells = [with_heading(picture, name) for name, picture in zip(columns, cells, strict=True)]
        rows.append(joined(cells, axis=1))
    return joined(rows, axis=0)


def largest_first(truth: GroundTruth) -> list[Annotation]:
    """Annotated objects that are no crowds, by area."""
    return sorted((one for one in truth.annotations if not one["iscrowd"]), key=lambda one: -one["area"])


def found_masks(one: Annotation, results: Results) -> dict[str, Any] | None:
    """Each model's mask of the object's class that comes closest to it; None where a model's is not close enough."""
    masks = {}
    for name, entries in results.items():
        rles = [
            entry["segmentation"]
            for entry in entries
            if (entry["image_id"], entry["category_id"]) == (one["image_id"], one["category_id"])
        ]
        overlaps = mask_api.iou(rles, [one["segmentation"]], [0]) if rles else np.zeros((1, 1))
        if overlaps.max() < FOUND_IOU:
            return None
        masks[name] = rles[int(overlaps.argmax())]
    return masks


def cell(image: NDArray[np.uint8], rle: Any, one: Annotation) -> NDArray[np.uint8]:
    """The object and its surroundings, enlarged to CELL x CELL, with the mask's pixels as they are."""
    left, top, width, height = one["bbox"]
    half = max(width, height) * (0.5 + SURROUNDINGS)
    scale = CELL / (2 * half)
    # warpAffine counts from pixel centres, boxes from pixel edges
    corner = np.array([half - left - width / 2 + 0.5, half - top - height / 2 + 0.5]) * scale - 0.5
    to_cell = np.column_stack([np.eye(2) * scale, corner])
    picture = cv2.warpAffine(image, to_cell, (CELL, CELL), flags=cv2.INTER_CUBIC, borderValue=(255, 255, 255))
    bitmap = cv2.warpAffine(mask_api.decode(rle), to_cell, (CELL, CELL), flags=cv2.INTER_NEAREST)
    draw_mask(picture, bitmap.astype(bool), class_colour(1), LINE)
    return picture


def joined(pictures: Sequence[NDArray[np.uint8]], *, axis: int) -> NDArray[np.uint8]:
    """Side by side (axis 1) or one below the other (axis 0), with white between; all end at the last line."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (gap, picture)][1:], axis=axis)


def named_files(texts: Sequence[str]) -> Mapping[str, Path]:
    """NAME=FILE texts as a mapping. InputError for anything else."""
    files = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in files:
            raise InputError(f"--results: wanted NAME=FILE with different names, got {text}")
        files[name] = Path(file)
    return files


def compare_masks(annotations: Path, images: Path, results: Sequence[str], *, count: int, out: Path) -> int:
    """Writes the picture that compares results files on the same annotations.

    Args:
        annotations: COCO JSON that the models were evaluated on.
        images: Folder of its images.
        results: NAME=FILE for each model.
        count: Number of objects to show.
        out: Picture to write.

    Raises:
        InputError: a file does not fit, or no object was found by all models.
    """
    setup_logging()
    truth = load_ground_truth(annotations)
    entries_by_name = {
        name: read_results(file, image_sizes=truth.image_sizes, category_ids=truth.category_ids)
        for name, file in named_files(results).items()
    }
    for name, entries in entries_by_name.items():
        if any("segmentation" not in entry for entry in entries):
            raise InputError(f"--results: wanted results with masks, got {name} without")
    write_picture(out, compare(truth, images, entries_by_name, count=count))
    logger.info("%s", out)
    return EXIT_OK
