"""A COCO file cut into parts by image."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.data.formats.coco.columns import content_blocks
from mindrcnn.datasets.partition import count_objects, divide, make_units, wanted_count
from mindrcnn.errors import InputError
from mindrcnn.outputs import COMMENT, Output, protect
from mindrcnn.untrusted.json_text import parse_json

WANTED = "wanted COCO JSON with lists images, annotations, categories"
ID_KEYS = {"images": ("id",), "annotations": ("image_id",), "categories": ()}  # all that splitting needs of the rows
SHOWN_CLASSES = 20


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The way in which images are chosen.

    amount: number or share of images, as `12`, `0.2` or `20%`.
    min_objects: smallest number of objects in a chosen image, crowds not counted.
    seed: decides which images.
    by_class: whether every class is divided in the same proportion.
    group: pattern in file names; images with the same match stay together.
    """

    amount: str = ""
    min_objects: int = 0
    seed: int = 0
    by_class: bool = False
    group: str = ""


def split_file(annotations: Path, cut: Cut, *, out: Path, rest: Path | None, force: bool = False) -> str:
    """Writes a COCO file of chosen images and, if `rest` is given, one of all others; returns what it did, as text.

    Args:
        annotations: COCO file to split; it stays as it is.
        cut: Which images are chosen.
        out: COCO file of the chosen images.
        rest: COCO file of all other images.
        force: Whether the input and files of others may be replaced.

    Raises:
        InputError: `annotations` cannot be read, has too few such images, or a file cannot be written.
    """
    protect([Output(path) for path in (out, rest) if path is not None], inputs=[annotations], force=force)
    content = read_coco_content(annotations)
    try:
        count = wanted_count(cut.amount, len(content["images"]))
        if cut.by_class or cut.group:
            candidates = _candidates(content, cut.min_objects)
            _require(count, cut.min_objects, len(candidates))
            units = make_units(content, _pattern(cut.group), candidates)
            sizes = (count, len(candidates) - count)
            chosen = set(divide(units, sizes, seed=cut.seed, by_class=cut.by_class)[0])
        else:
            chosen = choose_images(content, count=count, min_objects=cut.min_objects, seed=cut.seed)
    except InputError as error:
        raise InputError(f"{annotations}: {error}") from error
    others = {image["id"] for image in content["images"]} - chosen
    parts = [(out, chosen), *([] if rest is None else [(rest, others)])]
    return _write(annotations, content, parts)


def write_folds(annotations: Path, cut: Cut, *, folds: int, out: Path, force: bool = False) -> str:
    """Writes K pairs of COCO files, fold-1-train.json and fold-1-val.json and so on; returns what it did, as text.

    Every image is in the validation file of one fold, and in the training files of the others.

    Args:
        annotations: COCO file to split.
        cut: Seed, classes and groups; its amount is not used.
        folds: Number of folds.
        out: Folder for the files.
        force: Whether the input and files of others may be replaced.

    Raises:
        InputError: `annotations` cannot be read, has fewer images, or a file cannot be written.
    """
    names = [[out / f"fold-{fold}-{part}.json" for part in ("train", "val")] for fold in range(1, folds + 1)]
    protect([Output(path) for pair in names for path in pair], inputs=[annotations], force=force)
    content = read_coco_content(annotations)
    candidates = _candidates(content, cut.min_objects)
    units = make_units(content, _pattern(cut.group), candidates)
    if len(units.sizes) < folds:
        what = "groups of images" if cut.group else "images"
        raise InputError(f"{annotations}: wanted at least {folds} {what} for as many folds, got {len(units.sizes)}")
    sizes = [len(candidates) // folds + (fold < len(candidates) % folds) for fold in range(folds)]
    held_out = divide(units, sizes, seed=cut.seed, by_class=cut.by_class)
    parts: list[tuple[Path, Collection[Any]]] = []
    for (train, val), ids in zip(names, held_out, strict=True):
        parts += [(train, set(candidates) - set(ids)), (val, set(ids))]
    return _write(annotations, content, parts)


def _pattern(group: str) -> re.Pattern[str] | None:
    try:
        return re.compile(group) if group else None
    except re.error as error:
        raise InputError(f"--group: wanted a regular expression, got {group}: {error}") from error


def _write(annotations: Path, content: dict[str, Any], parts: Iterable[tuple[Path, Collection[Any]]]) -> str:
    """Writes the parts and returns a table of their images and objects."""
    counts = count_objects(content)
    totals = sum(counts.values(), Counter())
    lines = [f"{annotations}: {len(counts)} images, {totals.total()} objects"]
    names = {one.get("id"): str(one.get("name")) for one in content["categories"]}
    for path, images in parts:
        write_text(path, _as_text(annotations, subset(content, images)))
        found = sum((counts[one] for one in images), Counter())
        lines.append(f"{path}: {len(images)} images, {found.total()} objects")
        shown = [
            f"{names.get(category)} {found[category]} ({found[category] / total:.0%})"
            for category, total in totals.most_common(SHOWN_CLASSES)
        ]
        lines += [f"    {', '.join(shown)}"] if shown else []
    return "\n".join(lines) + "\n"


def _as_text(annotations: Path, content: dict[str, Any]) -> str:
    try:
        return json.dumps(content)
    except RecursionError as error:
        raise InputError(f"{annotations}: wanted JSON of a few levels, got deeper nesting") from error


def _candidates(content: dict[str, Any], min_objects: int) -> list[Any]:
    objects = Counter(one["image_id"] for one in content["annotations"] if not one.get("iscrowd", 0))
    return [image["id"] for image in content["images"] if objects[image["id"]] >= min_objects]


def _require(count: int, min_objects: int, available: int) -> None:
    if available < count:
        raise InputError(f"wanted {count} images with at least {min_objects} objects, got {available}")


def choose_images(content: dict[str, Any], *, count: int, min_objects: int, seed: int) -> set[Any]:
    """Draws the ids of `count` images with at least `min_objects` objects, crowds not counted.

    Raises InputError if there are fewer such images.
    """
    candidates = _candidates(content, min_objects)
    _require(count, min_objects, len(candidates))
    chosen = np.random.default_rng(seed).choice(len(candidates), size=count, replace=False)
    return {candidates[index] for index in chosen}


def subset(content: dict[str, Any], images: Collection[Any]) -> dict[str, Any]:
    """Returns the COCO content restricted to these images, with a comment; the rest of the file is unchanged."""
    return {
        **COMMENT,
        **{key: value for key, value in content.items() if key not in COMMENT},
        "images": [image for image in content["images"] if image["id"] in images],
        "annotations": [one for one in content["annotations"] if one["image_id"] in images],
    }


def read_coco_content(path: Path) -> dict[str, Any]:
    """Reads the JSON object of a COCO file. Raises InputError that names file, row and field of what is not one."""
    text = paths.read_bytes(path)
    try:
        content: dict[str, Any] = parse_json(text, path)
    except InputError as error:
        raise InputError(f"{path}: {WANTED}, got something else ({error})") from error
    for table, block in content_blocks(path, content):
        for key in ID_KEYS[table]:
            block.columns.ids(key)
        if table == "annotations":
            block.columns.flags("iscrowd")
    return content
