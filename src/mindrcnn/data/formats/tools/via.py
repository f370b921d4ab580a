"""The VGG Image Annotator's JSON, versions 1 and 2: a project, or its exported annotations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.data.formats.json_head import JsonHead
from mindrcnn.data.formats.layout import SplitFiles, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import any_json, files_in
from mindrcnn.data.formats.tools.shapes import Shape, ellipse, numbers, polygons, rectangle
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.json_text import parse_json

METADATA = "_via_img_metadata"
CLASS_NAMES = ("class", "label", "category", "name", "type", "object", "object_name", "class_name")
ONLY_CLASS = "object"  # the class of a file whose regions have no attributes
NO_OBJECTS = ("point", "polyline")


class ViaFormat(ToolFormat):
    """One JSON file with the regions of every image."""

    name = "via"
    has_masks = True
    title = "JSON of the VGG Image Annotator (VIA 2)"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the split's folder and file."""
        short = split_names(name)
        return [*(root / one for one in short), *(root / f"{one}.json" for one in short)]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the JSON file that `path` is or, as a folder, has in it."""
        return any_json(files_in(path, ".json") if paths.is_folder(path) else [path], is_via)

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder of the file, or of that name beside it or in the data set, if its first image is there."""
        beside = annotations.with_suffix("")
        names = [image for image, _ in _entries(annotations)][:1]
        for folder in (annotations.parent, beside, root / name, annotations.parent / "images", root / "images"):
            if all(paths.is_file(folder / image) for image in names) and paths.is_folder(folder):
                return folder
        return annotations.parent

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds every image of the file."""
        path = files.annotations
        entries = list(_entries(path))
        attribute = choose_attribute(path, [regions for _, regions in entries], files.class_attribute)
        for name, regions in entries:
            size = rows.size_of(name)
            if size is None:
                continue
            image = rows.image(name, size)
            for place, region in enumerate(regions, start=1):
                try:
                    shape, label = _shape(region), _label(region, attribute)
                except ValueError as error:
                    rows.malformed(InputError(f"{path}: {name}: region {place}: {error}"))
                    continue
                if shape is None:
                    rows.left_out[f"regions of type {region['shape_attributes']['name']}"] += 1
                else:
                    rows.object(image, label, shape)


def is_via(head: JsonHead) -> bool:
    """Says whether a file begins as VIA's do."""
    if METADATA in head.values or "_via_settings" in head.values:
        return True
    first = next(iter(head.values.values()), None)
    return isinstance(first, dict) and {"filename", "regions"} <= set(first)


def choose_attribute(path: Path, images: Iterable[list[Any]], wanted: str) -> str:
    """Returns the region attribute that names the class; empty if no region has any.

    path: the file, for messages.
    images: the regions of each image.
    wanted: the attribute, or empty for the only one, or the one of the usual name.
    """
    counts: Counter[str] = Counter()
    for regions in images:
        for region in regions:
            attributes = region.get("region_attributes") if isinstance(region, dict) else None
            counts.update(list(attributes) if isinstance(attributes, dict) else ())
    if wanted or not counts:
        if wanted and wanted not in counts:
            raise InputError(f"{path}: wanted the attribute {wanted!r} of a region, got only {shorten(counts)}")
        return wanted
    if len(counts) == 1:
        return next(iter(counts))
    usual = [name for usual in CLASS_NAMES for name in counts if name.lower() == usual]
    if usual:
        return usual[0]
    raise InputError(
        f"{path}: regions have the attributes {shorten(counts)}: class_attribute must say which one names the class"
    )


def _entries(path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yields the name and the regions of each image. Raises InputError that names the image for a malformed one."""
    content = parse_json(paths.read_bytes(path), path)
    images = content.get(METADATA, content) if isinstance(content, dict) else None
    if not isinstance(images, dict):
        raise InputError(f"{path}: wanted a VIA file with an object for each image, got something else")
    for key, entry in images.items():
        regions = entry.get("regions") if isinstance(entry, dict) else None
        listed = list(regions.values()) if isinstance(regions, dict) else regions  # version 1 numbers them
        if not isinstance(listed, list) or not isinstance(entry.get("filename"), str):
            raise InputError(f"{path}: {quote_value(key)}: wanted filename and regions of an image, got something else")
        yield os.path.normpath(entry["filename"].replace("\\", "/")), listed


def _label(region: Mapping[str, Any], attribute: str) -> str:
    if not attribute:
        return ONLY_CLASS
    attributes = region.get("region_attributes")
    value = attributes.get(attribute) if isinstance(attributes, dict) else None
    if isinstance(value, dict):  # a checkbox: the options that are ticked
        ticked = [option for option, is_on in value.items() if is_on]
        value = ticked[0] if len(ticked) == 1 else None
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{attribute}: wanted the name of one class, got {quote_value(value)}")
    return value.strip()


def _shape(region: Any) -> Shape | None:
    """Returns the outline of a region, None for one that is no object. Raises ValueError that names the mistake."""
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(shape, dict):
        raise ValueError("wanted shape_attributes, got none")
    kind = shape.get("name")
    if kind in NO_OBJECTS:
        return None
    if kind == "polygon":
        horizontal, vertical = numbers(shape.get("all_points_x")), numbers(shape.get("all_points_y"))
        if len(horizontal) != len(vertical):
            raise ValueError("wanted as many all_points_x as all_points_y")
        return polygons([[number for corner in zip(horizontal, vertical, strict=True) for number in corner]])
    if kind == "rect":
        x, y, width, height = numbers([shape.get(key) for key in ("x", "y", "width", "height")])
        return polygons([rectangle(x, y, x + width, y + height)])
    if kind == "circle":
        x, y, radius = numbers([shape.get(key) for key in ("cx", "cy", "r")])
        return polygons([ellipse(x, y, radius, radius)])
    if kind == "ellipse":
        x, y, across, down = numbers([shape.get(key) for key in ("cx", "cy", "rx", "ry")])
        (angle,) = numbers([shape.get("theta", 0)])
        return polygons([ellipse(x, y, across, down, angle)])
    raise ValueError(f"name: wanted polygon, rect, circle or ellipse, got {quote_value(kind)}")
