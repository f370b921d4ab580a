"""Polygons in JSON files as Cityscapes has them: one for each image, in folders of cities."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.data.formats.json_head import JsonHead
from mindrcnn.data.formats.layout import SplitFiles, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import any_json, files_below, images_below
from mindrcnn.data.formats.tools.shapes import points, polygons, stated_size
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.json_text import parse_json

ANNOTATIONS, IMAGES = ("gtFine", "gtCoarse"), "leftImg8bit"
GROUP = "group"  # the end of a label that stands for several objects: cargroup


class CityscapesFormat(ToolFormat):
    """A folder of JSON files with `imgHeight`, `imgWidth` and `objects`."""

    name = "cityscapes"
    has_masks = True
    title = "a folder of Cityscapes' polygon files"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the split's folders."""
        return [root / above / short for short in split_names(name) for above in (*ANNOTATIONS, "")]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the folder if one of its JSON files has polygons in this form."""
        if not paths.is_folder(path):
            return None
        return path if any_json(files_below(path, ".json"), is_cityscapes) else None

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder leftImg8bit beside gtFine or, without one, that of the annotations."""
        for above in annotations.parents:
            if above.name in ANNOTATIONS:
                images = above.parent / IMAGES / annotations.relative_to(above)
                return images if paths.is_folder(images) else annotations
        beside = annotations.parent / "images"
        return annotations if images_below(annotations) or not paths.is_folder(beside) else beside

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds every file; a label such as cargroup is a crowd of cars."""
        images = {_stem(path): os.path.relpath(path, files.images) for path in images_below(files.images)}
        labels = {str(one.get("label")) for _, content in _contents(files.annotations) for one in content["objects"]}
        for path, content in _contents(files.annotations):
            size = stated_size(content.get("imgHeight"), content.get("imgWidth"))
            if size is None:
                raise InputError(f"{path}: wanted imgHeight and imgWidth in pixels, got others")
            if _stem(path) not in images:
                rows.absent.append(f"{_stem(path)}.*")
                continue
            image = rows.image(images[_stem(path)], size)
            for place, one in enumerate(content["objects"], start=1):
                if not one.get("deleted"):
                    _add(one, image, labels, rows, f"{path}: object {place}")


def is_cityscapes(head: JsonHead) -> bool:
    """Says whether a file begins as Cityscapes' do."""
    return {"imgHeight", "imgWidth", "objects"} <= set(head.values)


def _add(one: Any, image: int, labels: set[str], rows: CocoRows, place: str) -> None:
    label = one.get("label")
    try:
        if not isinstance(label, str) or not label:
            raise ValueError(f"label: wanted a text, got {quote_value(label)}")
        shape = polygons([points(one.get("polygon"))])
    except ValueError as error:
        rows.malformed(InputError(f"{place}: {error}"))
        return
    single = label.removesuffix(GROUP)
    is_group = label != single and single in labels
    rows.object(image, single if is_group else label, shape, crowd=is_group)


def _contents(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yields the files of the form, in order, with their content."""
    for path in files_below(folder, ".json"):
        content = parse_json(paths.read_bytes(path), path)
        objects = content.get("objects") if isinstance(content, dict) else None
        if isinstance(objects, list) and all(isinstance(one, dict) for one in objects):
            yield path, content


def _stem(path: Path) -> str:
    """Returns the name that an image and its annotations share: aachen_000000_000019."""
    stem = path.stem
    for ending in ("_polygons", *(f"_{name}" for name in ANNOTATIONS), f"_{IMAGES}"):
        stem = stem.removesuffix(ending)
    return stem
