"""A picture of the masks that several models predict for the same objects, enlarged and side by side.

A row is an annotated object that every model found; the rows are spread over all sizes, largest first. The columns are
the annotation and the models.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn import paths
from mindrcnn.data.image_io import read_image
from mindrcnn.drawing.objects import draw_mask, with_heading
from mindrcnn.drawing.palette import class_colour
from mindrcnn.drawing.pictures import write_picture
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, load_ground_truth
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.outputs import Output, protect
from mindrcnn.tasks.split_evaluator import pick_evenly

logger = logging.getLogger(__name__)

CELL = 320  # pixels, side of one object's picture
GAP = 6  # pixels
SURROUNDINGS = 0.15  # margin on each side of an object, as a share of its longer side
FOUND_IOU = 0.5  # with the annotated mask: COCO's least for a detection
LINE = 2  # pixels

Annotation = dict[str, Any]
Results = dict[str, list[dict[str, Any]]]  # entries by model


def compare(truth: GroundTruth, images: Path, results: Results, *, count: int) -> NDArray[np.uint8]:
    """Returns the picture, RGB (H, W, 3) uint8. Raises InputError if no object was found by all models."""
    found = [(one, masks) for one in sort_by_area(truth) if (masks := match_masks(one, results)) is not None]
    objects = pick_evenly(found, count)
    if not objects:
        raise InputError(f"wanted an object that {' and '.join(results)} found (mask IoU {FOUND_IOU:g}), got none")
    files = {image["id"]: image["file_name"] for image in truth.images}
    rows: list[NDArray[np.uint8]] = []
    for one, masks in objects:
        image = read_image(images / files[one["image_id"]])
        columns = {"annotation": one["segmentation"], **masks}
        cells = [draw_cell(image, rle, one) for rle in columns.values()]
        if not rows:
            cells = [with_heading(picture, name) for name, picture in zip(columns, cells, strict=True)]
        rows.append(join_pictures(cells, axis=1))
    return join_pictures(rows, axis=0)


def sort_by_area(truth: GroundTruth) -> list[Annotation]:
    """Returns the annotated objects except crowds, largest first."""
    return sorted((one for one in truth.annotations if not one["iscrowd"]), key=lambda one: -one["area"])


def match_masks(one: Annotation, results: Results) -> dict[str, Any] | None:
    """Returns each model's closest mask of the object's class; None if any model has none that is close enough."""
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


def draw_cell(image: NDArray[np.uint8], rle: Any, one: Annotation) -> NDArray[np.uint8]:
    """Draws the object and its surroundings, enlarged to CELL x CELL, with the mask's pixels not smoothed."""
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


def join_pictures(pictures: Sequence[NDArray[np.uint8]], *, axis: int) -> NDArray[np.uint8]:
    """Joins pictures side by side (axis 1) or one below the other (axis 0), with a white gap between them."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (gap, picture)][1:], axis=axis)


def parse_named_files(texts: Sequence[str]) -> Mapping[str, Path]:
    """Parses NAME=FILE texts. Raises InputError for anything else and for a repeated name."""
    files = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in files:
            raise InputError(f"--results: wanted NAME=FILE with different names, got {text}")
        files[name] = paths.expand(file)
    return files


def compare_masks(
    annotations: Path, images: Path, results: Sequence[str], *, count: int, out: Path, force: bool = False
) -> int:
    """Writes the picture that compares results files on the same annotations.

    Args:
        annotations: COCO JSON that the models were evaluated on.
        images: Folder of its images.
        results: NAME=FILE for each model.
        count: Number of objects to show.
        out: Picture to write.
        force: Whether inputs and files of others may be replaced.

    Raises:
        InputError: a file does not fit, or no object was found by all models.
    """
    setup_logging()
    files = parse_named_files(results)
    protect([Output(out)], inputs=[annotations, *files.values()], force=force)
    truth = load_ground_truth(annotations)
    if not truth.has_masks:
        raise InputError(f"{annotations}: wanted a segmentation for every object, got some without")
    entries_by_name = {
        name: read_results(file, image_sizes=truth.image_sizes, category_ids=truth.category_ids, needs_masks=True)
        for name, file in files.items()
    }
    write_picture(out, compare(truth, images, entries_by_name, count=count))
    logger.info("%s", out)
    return EXIT_OK
