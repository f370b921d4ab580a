"""Reading a saved results JSON, checked entry by entry before anything is evaluated."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mindrcnn.data.masks import run_lengths
from mindrcnn.errors import InputError
from mindrcnn.evaluation.json_files import read_json

Fault = tuple[str, str, str]  # field, wanted, got


def read_results(
    path: Path, *, image_sizes: Mapping[int, tuple[int, int]], category_ids: Collection[int]
) -> list[dict[str, Any]]:
    """The result entries of a file.

    image_sizes: (height, width) by image id of the ground truth. Raises InputError naming file, entry and field for
    anything that is not a list of valid entries.
    """
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: wanted a list of result entries, got {_kind(entries)}")
    known_categories = set(category_ids)
    for index, entry in enumerate(entries):
        fault = _entry_fault(entry, image_sizes, known_categories)
        if fault is not None:
            field, wanted, got = fault
            raise InputError(f"{path}: entry {index}{field}: wanted {wanted}, got {got}")
    return entries


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(value), repr(value))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _entry_fault(entry: Any, image_sizes: Mapping[int, tuple[int, int]], categories: set[int]) -> Fault | None:
    """The first thing wrong with an entry, None when it is good."""
    if not isinstance(entry, dict):
        return "", "an object", _kind(entry)
    for name in ("image_id", "category_id", "score"):
        if name not in entry:
            return "", f"the key {name}", f"only {sorted(entry)}"
    if "bbox" not in entry and "segmentation" not in entry:
        return "", "bbox or segmentation", f"only {sorted(entry)}"
    image_id, category_id = entry["image_id"], entry["category_id"]
    if not _is_id(image_id) or image_id not in image_sizes:
        return ", image_id", "an image of the ground truth", _shown(image_id)
    if not _is_id(category_id) or category_id not in categories:
        return ", category_id", f"a category id of the ground truth, {_some(categories)}", _shown(category_id)
    for name in ("score", "iou_score"):
        if name in entry and not _is_number(entry[name]):
            return f", {name}", "a finite number", _shown(entry[name])
    if "bbox" in entry and not _is_box(entry["bbox"]):
        return ", bbox", "[x, y, width, height], finite, width and height not negative", _shown(entry["bbox"])
    if "segmentation" in entry:
        return _rle_fault(entry["segmentation"], image_sizes[image_id])
    return None


def _some(ids: set[int]) -> str:
    ordered = sorted(ids)
    return str(ordered) if len(ordered) <= 10 else f"{len(ordered)} ids from {ordered[0]} to {ordered[-1]}"


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_box(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(number) for number in value):
        return False
    return value[2] >= 0 and value[3] >= 0


def _rle_fault(segmentation: object, size: tuple[int, int]) -> Fault | None:
    field = ", segmentation"
    if not isinstance(segmentation, dict) or set(segmentation) < {"size", "counts"}:
        return field, "COCO RLE {size, counts}", _shown(segmentation)
    if segmentation["size"] != list(size):
        return f"{field}.size", f"the image's [height, width] {list(size)}", _shown(segmentation["size"])
    counts = segmentation["counts"]
    if not isinstance(counts, str):
        return f"{field}.counts", "a compressed string", _shown(counts)
    try:
        run_lengths(*size, counts)
    except ValueError as error:
        return f"{field}.counts", f"runs of a {size[0]} x {size[1]} mask", f"{_shown(counts)} ({error})"
    return None
