"""labelme's folders: a JSON file for each image."""

from __future__ import annotations

import base64
import binascii
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn import paths
from mindrcnn.data.formats.json_head import JsonHead
from mindrcnn.data.formats.layout import SplitFiles, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import any_json, files_below
from mindrcnn.data.formats.tools.shapes import (
    Shape,
    ellipse,
    numbers,
    patch,
    points,
    polygons,
    rectangle,
    stated_size,
    union,
)
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.data.image_io import decode_image
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.json_text import parse_json

OUTLINES = ("polygon", "oriented_rectangle", "rotation", None)  # by their corners; files of old versions state no type
NO_OBJECTS = ("point", "points", "line", "linestrip")
NO_CLASSES = ("__ignore__", "_background_", "__background__")  # labels of labelme's own lists


class LabelmeFormat(ToolFormat):
    """A folder of JSON files with `shapes` and `imagePath`."""

    name = "labelme"
    has_masks = True
    title = "a folder of labelme's JSON files"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the split's folder."""
        return [root / place / short for short in split_names(name) for place in ("", "annotations", "labels")]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the folder if one of its JSON files is of labelme."""
        if not paths.is_folder(path):
            return None
        return path if any_json(files_below(path, ".json"), is_labelme) else None

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder itself; the files name their images relative to themselves."""
        return annotations

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds every file of the folder; its shapes of one label and group are one object."""
        for path in files_below(files.annotations, ".json"):
            content = parse_json(paths.read_bytes(path), path)
            if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
                rows.left_out["JSON files of another kind"] += 1
                continue
            _add_file(path, content, files.images, rows)


def is_labelme(head: JsonHead) -> bool:
    """Says whether a file begins as labelme's do."""
    return "shapes" in head.values and bool({"imagePath", "flags", "version"} & set(head.values))


def _add_file(path: Path, content: Mapping[str, Any], images: Path, rows: CocoRows) -> None:
    name = _image_name(path, content, images)
    size = stated_size(content.get("imageHeight"), content.get("imageWidth")) or rows.size_of(name)
    if size is None:
        return
    image = rows.image(name, size)
    groups: dict[object, tuple[str, list[Shape]]] = {}
    for place, shape in enumerate(content["shapes"], start=1):
        try:
            label, group, found = _parse(shape, size, path)
        except (ValueError, InputError) as error:
            rows.malformed(InputError(f"{path}: shape {place}: {error}"))
            continue
        if found is None:
            rows.left_out[f"shapes of type {shape.get('shape_type')}"] += 1
        elif label in NO_CLASSES:
            rows.left_out[f"shapes labelled {label}"] += 1
        else:
            key = place if group is None else (label, group)
            groups.setdefault(key, (label, []))[1].append(found)
    for label, shapes in groups.values():
        rows.object(image, label, union(shapes, size))


def _image_name(path: Path, content: Mapping[str, Any], images: Path) -> str:
    """Returns the path of a file's image relative to the folder `images`: as stated, or by its last part."""
    stated = content.get("imagePath")
    if not isinstance(stated, str) or not stated:
        raise InputError(f"{path}: imagePath: wanted the path of the image, got {quote_value(stated)}")
    relative = stated.replace("\\", "/")
    last = Path(relative).name
    places = [path.parent / relative, images / last, path.parent / last]
    found = next((place for place in places if paths.is_file(place)), places[0])
    return os.path.relpath(found, images)


def _parse(shape: Any, size: tuple[int, int], path: Path) -> tuple[str, Any, Shape | None]:
    """Returns label, group and outline of a shape, None for one that is no object. Raises ValueError for a mistake."""
    if not isinstance(shape, dict):
        raise ValueError(f"wanted an object, got {quote_value(shape)}")
    label, group, kind = shape.get("label"), shape.get("group_id"), shape.get("shape_type")
    if not isinstance(label, str) or not label:
        raise ValueError(f"label: wanted a text, got {quote_value(label)}")
    if group is not None and not isinstance(group, int | str):
        raise ValueError(f"group_id: wanted a number, got {quote_value(group)}")
    if kind in NO_OBJECTS:
        return label, group, None
    corners = points(shape.get("points"))
    if kind in OUTLINES or (kind == "rectangle" and len(corners) == 8):
        return label, group, polygons([corners])
    if kind == "rectangle":
        return label, group, polygons([rectangle(*numbers(corners, count=4))])
    if kind == "circle":
        x, y, edge_x, edge_y = numbers(corners, count=4)
        radius = math.hypot(edge_x - x, edge_y - y)
        return label, group, polygons([ellipse(x, y, radius, radius)])
    if kind == "mask":
        return label, group, _mask(shape.get("mask"), corners, size, path)
    raise ValueError(f"shape_type: wanted polygon, rectangle, circle or mask, got {quote_value(kind)}")


def _mask(stored: Any, corners: list[float], size: tuple[int, int], path: Path) -> Shape | None:
    """Returns a mask that is stored as a PNG of its box, whose first corner is given; None if all of it is outside."""
    if not isinstance(stored, str) or len(corners) < 2:
        raise ValueError("mask: wanted a PNG in base64 and the corners of its box, got something else")
    try:
        content = base64.b64decode(stored, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"mask: wanted base64: {error}") from error
    pixels = decode_image(content, name=path).any(axis=2)
    left, top = (int(np.round(number)) for number in corners[:2])
    return patch(pixels, left=left, top=top, size=size)
