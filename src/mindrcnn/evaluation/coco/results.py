"""COCO result entries: one dict per detected object, as COCO's evaluation server takes them, and their files.

image_id, category_id, bbox [x, y, width, height] in original pixels, score
segmentation {size, counts}     from a detector with masks
iou_score                       from a detector that predicts its masks' IoU; masks rank by score x iou_score

A saved file is checked entry by entry before anything is evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.atomic import write_text
from mindrcnn.data.masks import run_lengths
from mindrcnn.data.run_length_text import all_valid
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json
from mindrcnn.messages import kind_of, quote_value
from mindrcnn.outputs import read_head
from mindrcnn.untrusted.numbers import is_number

BOX_DECIMALS = 3  # a thousandth of a pixel: keeps files small, and boxes given with COCO's two decimals exact

Fault = tuple[str, str, str]  # field, wanted, got


def rounded_xywh(boxes: NDArray[np.float32]) -> list[list[float]]:
    """Converts boxes (D, 4) xyxy to lists [x, y, width, height], rounded to BOX_DECIMALS."""
    corners = np.round(boxes.astype(np.float64), BOX_DECIMALS)
    x_low, y_low, x_high, y_high = corners.T
    xywh = np.stack([x_low, y_low, x_high - x_low, y_high - y_low], axis=1)
    return np.round(xywh, BOX_DECIMALS).tolist()


def shortest(values: NDArray[np.floating]) -> list[float]:
    """Converts float32 values to the shortest floats that keep them apart: same order and ties, half the text."""
    return [float(str(value)) for value in values.astype(np.float32)]


def write_results(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Writes the result entries as a JSON list, one a line. Raises InputError if they cannot be written."""
    write_text(path, "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")


def is_results(path: Path) -> bool:
    """Says whether a file looks as `write_results` writes it; a list has no room for a mark."""
    return read_head(path).startswith((b'[\n{"image_id": ', b"[\n\n]"))


def read_results(
    path: Path,
    *,
    image_sizes: Mapping[int, tuple[int, int]],
    category_ids: Collection[int],
    needs_masks: bool = False,
    needs_boxes: bool = False,
) -> list[dict[str, Any]]:
    """Reads the result entries of a file.

    path: the file.
    image_sizes: (height, width) by image id of the ground truth.
    category_ids: those of the ground truth.
    needs_masks: whether an entry without a mask is an error.
    needs_boxes: whether an entry without a box is an error; where masks are evaluated, its box is the mask's.
    Raises InputError with file, entry and field unless the file is a list of valid entries.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: wanted a list of result entries, got {kind_of(entries)}")
    known_categories = set(category_ids)
    for index, entry in enumerate(entries):
        fault = _entry_fault(entry, image_sizes, known_categories)
        if fault is not None:
            field, wanted, got = fault
            raise InputError(f"{path}: entry {index}{field}: wanted {wanted}, got {got}")
        if needs_masks and "segmentation" not in entry:
            wanted = "a segmentation, because masks are evaluated"
            raise InputError(f"{path}: entry {index}: wanted {wanted}, got only {quote_value(sorted(entry))}")
        if needs_boxes and "bbox" not in entry:
            wanted = "a bbox, because boxes alone are evaluated: the configuration has no model.mask"
            raise InputError(f"{path}: entry {index}: wanted {wanted}, got only {quote_value(sorted(entry))}")
    _require_counts(path, entries)
    return entries


def _require_counts(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Raises InputError for the first entry whose mask is not one of its size."""
    masks = [entry["segmentation"] for entry in entries if "segmentation" in entry]
    if all_valid([mask["counts"] for mask in masks], [mask["size"][0] * mask["size"][1] for mask in masks]):
        return
    for index, entry in enumerate(entries):
        fault = _counts_fault(entry["segmentation"]) if "segmentation" in entry else None
        if fault is not None:
            field, wanted, got = fault
            raise InputError(f"{path}: entry {index}{field}: wanted {wanted}, got {got}")


def _entry_fault(entry: Any, image_sizes: Mapping[int, tuple[int, int]], categories: set[int]) -> Fault | None:
    """Finds the first fault of an entry; None if it is valid."""
    if not isinstance(entry, dict):
        return "", "an object", kind_of(entry)
    for name in ("image_id", "category_id", "score"):
        if name not in entry:
            return "", f"the key {name}", f"only {quote_value(sorted(entry))}"
    if "bbox" not in entry and "segmentation" not in entry:
        return "", "bbox or segmentation", f"only {quote_value(sorted(entry))}"
    image_id, category_id = entry["image_id"], entry["category_id"]
    if not _is_id(image_id) or image_id not in image_sizes:
        return ", image_id", "an image of the ground truth", quote_value(image_id)
    if not _is_id(category_id) or category_id not in categories:
        return (
            ", category_id",
            f"a category id of the ground truth, {_describe_ids(categories)}",
            quote_value(category_id),
        )
    for name in ("score", "iou_score"):
        if name in entry and not is_number(entry[name]):
            return f", {name}", "a finite number", quote_value(entry[name])
    if "bbox" in entry and not _is_box(entry["bbox"]):
        return ", bbox", "[x, y, width, height], finite, width and height not negative", quote_value(entry["bbox"])
    if "segmentation" in entry:
        return _rle_fault(entry["segmentation"], image_sizes[image_id])
    return None


def _describe_ids(ids: set[int]) -> str:
    ordered = sorted(ids)
    return str(ordered) if len(ordered) <= 10 else f"{len(ordered)} ids from {ordered[0]} to {ordered[-1]}"


def _is_id(value: object) -> bool:
    return type(value) is int


def _is_box(value: Any) -> bool:
    return type(value) in (list, tuple) and len(value) == 4 and all(map(is_number, value)) and min(value[2:]) >= 0


def _rle_fault(segmentation: object, size: tuple[int, int]) -> Fault | None:
    field = ", segmentation"
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= set(segmentation):
        return field, "COCO RLE {size, counts}", quote_value(segmentation)
    if segmentation["size"] != list(size):
        return f"{field}.size", f"the image's [height, width] {list(size)}", quote_value(segmentation["size"])
    counts = segmentation["counts"]
    if not isinstance(counts, str):
        return f"{field}.counts", "a compressed string", quote_value(counts)
    return None


def _counts_fault(segmentation: Mapping[str, Any]) -> Fault | None:
    (height, width), counts = segmentation["size"], segmentation["counts"]
    try:
        run_lengths(height, width, counts)
    except ValueError as error:
        return ", segmentation.counts", f"runs of a {height} x {width} mask", f"{quote_value(counts)} ({error})"
    return None
