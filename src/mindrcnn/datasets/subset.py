"""A COCO file split in two by image."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.atomic import write_text
from mindrcnn.data.formats.coco.columns import content_blocks
from mindrcnn.errors import InputError
from mindrcnn.outputs import COMMENT, Output, protect
from mindrcnn.untrusted.json_text import parse_json

WANTED = "wanted COCO JSON with lists images, annotations, categories"
ID_KEYS = {"images": ("id",), "annotations": ("image_id",), "categories": ()}  # all that splitting needs of the rows


def split_file(
    annotations: Path,
    *,
    count: int,
    min_objects: int,
    seed: int,
    out: Path,
    rest: Path | None,
    force: bool = False,
) -> None:
    """Writes a COCO file of chosen images and, if `rest` is given, one of all others.

    Args:
        annotations: COCO file to split; it stays as it is.
        count: Number of images to choose.
        min_objects: Smallest number of objects in a chosen image, crowds not counted.
        seed: Decides which images are chosen.
        out: COCO file of the chosen images.
        rest: COCO file of all other images.
        force: Whether the input and files of others may be replaced.

    Raises:
        InputError: `annotations` cannot be read, has too few such images, or a file cannot be written.
    """
    protect([Output(path) for path in (out, rest) if path is not None], inputs=[annotations], force=force)
    content = read_coco_content(annotations)
    try:
        chosen = choose_images(content, count=count, min_objects=min_objects, seed=seed)
    except InputError as error:
        raise InputError(f"{annotations}: {error}") from error
    write_text(out, _as_text(annotations, subset(content, chosen)))
    if rest is not None:
        others = {image["id"] for image in content["images"]} - chosen
        write_text(rest, _as_text(annotations, subset(content, others)))


def _as_text(annotations: Path, content: dict[str, Any]) -> str:
    try:
        return json.dumps(content)
    except RecursionError as error:
        raise InputError(f"{annotations}: wanted JSON of a few levels, got deeper nesting") from error


def choose_images(content: dict[str, Any], *, count: int, min_objects: int, seed: int) -> set[int]:
    """Draws the ids of `count` images with at least `min_objects` objects, crowds not counted.

    Raises InputError if there are fewer such images.
    """
    objects = Counter(one["image_id"] for one in content["annotations"] if not one.get("iscrowd", 0))
    candidates = [image["id"] for image in content["images"] if objects[image["id"]] >= min_objects]
    if len(candidates) < count:
        raise InputError(f"wanted {count} images with at least {min_objects} objects, got {len(candidates)}")
    chosen = np.random.default_rng(seed).choice(len(candidates), size=count, replace=False)
    return {candidates[index] for index in chosen}


def subset(content: dict[str, Any], images: Collection[int]) -> dict[str, Any]:
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
