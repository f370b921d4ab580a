"""Pascal VOC: an XML file of boxes for each image, and for some images a PNG whose pixels are the objects' numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from mindrcnn import paths
from mindrcnn.data.formats.layout import SplitFiles, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import LOOKED_INTO, files_below, files_in, images_below
from mindrcnn.data.formats.tools.shapes import Shape, box, label_masks
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.data.image_io import read_labels
from mindrcnn.errors import InputError
from mindrcnn.untrusted.xml_text import parse_xml

ANNOTATIONS, IMAGES, MASKS, LISTS = "Annotations", "JPEGImages", "SegmentationObject", "ImageSets"
VOID = 255  # pixels between objects
SAME_OBJECT = 0.5  # least IoU between a box and the pixels of its mask
CORNERS = ("xmin", "ymin", "xmax", "ymax")


class VocFormat(ToolFormat):
    """A list in ImageSets, or a folder of XML files."""

    name = "voc"
    has_masks = True
    title = "Pascal VOC XML"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the split's lists, that of images with masks first, and its folder."""
        lists = [
            root / LISTS / kind / f"{short}.txt" for kind in ("Segmentation", "Main") for short in split_names(name)
        ]
        return [*lists, *(root / short for short in split_names(name))]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the list of ImageSets, or the folder if it, or its folder Annotations, has XML files of this form."""
        if paths.is_file(path):
            return path if path.suffix == ".txt" and path.parent.parent.name == LISTS else None
        if not paths.is_folder(path):
            return None
        return path if any(_is_voc(file) for file in files_in(_inner(path), ".xml")[:LOOKED_INTO]) else None

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns JPEGImages or, without it, the folder of the annotations."""
        above = _above(annotations)
        return next((one for one in (above / IMAGES, above / "images") if paths.is_folder(one)), above)

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds the images of the list or folder; objects have masks where SegmentationObject has a PNG."""
        above = _above(files.annotations)
        images = {path.stem: os.path.relpath(path, files.images) for path in images_below(files.images)}
        for path in _xml_files(files.annotations):
            root = parse_xml(paths.read_bytes(path, "annotation file"), path)
            stated = (root.findtext("filename") or "").strip()
            name = images.get(path.stem) or images.get(Path(stated).stem) or stated or path.stem
            size = _size(root) or rows.size_of(name)
            if size is not None:
                masks = above / MASKS / f"{path.stem}.png"
                _add_objects(path, root, rows.image(name, size), masks if paths.is_file(masks) else None, size, rows)


def _is_voc(path: Path) -> bool:
    try:
        root = parse_xml(paths.read_bytes(path), path)
    except InputError:
        return False
    return root.tag == "annotation" and (root.find("object") is not None or root.find("size") is not None)


def _above(annotations: Path) -> Path:
    """Returns the folder that holds Annotations, JPEGImages and so on."""
    if paths.is_file(annotations):
        return annotations.parents[2]
    return annotations.parent if annotations.name in (ANNOTATIONS, ANNOTATIONS.lower()) else annotations


def _inner(folder: Path) -> Path:
    """Returns the folder Annotations, or annotations as some tools write it, in a folder; without it the folder."""
    places = (folder / ANNOTATIONS, folder / ANNOTATIONS.lower())
    return next((place for place in places if paths.is_folder(place)), folder)


def _xml_files(annotations: Path) -> Iterator[Path]:
    if paths.is_file(annotations):
        folder = annotations.parents[2] / ANNOTATIONS
        for line in paths.read_text(annotations, encoding="utf-8-sig").splitlines():
            name, *flag = line.split() or [""]
            if name and flag[:1] != ["-1"]:  # lists of a class mark the images without it
                yield folder / f"{name}.xml"
    else:
        yield from files_below(_inner(annotations), ".xml")


def _size(root: Element) -> tuple[int, int] | None:
    try:
        height, width = int(root.findtext("size/height") or 0), int(root.findtext("size/width") or 0)
    except ValueError:
        return None
    return (height, width) if height > 0 and width > 0 else None  # some tools write 0


def _add_objects(
    path: Path, root: Element, image: int, masks: Path | None, size: tuple[int, int], rows: CocoRows
) -> None:
    """Adds the objects of a file.

    path: the XML file, for messages.
    root: its content.
    image: id of the image.
    masks: the PNG of the objects' numbers, or None.
    size: (h, w) of the image.
    rows: receives the objects.
    """
    # The challenge's own files count pixels from 1 and include the last; tools write coordinates as they are.
    first = 1.0 if (root.findtext("source/database") or "").startswith("The VOC") else 0.0
    found = []
    for place, one in enumerate(root.iterfind("object"), start=1):
        label = (one.findtext("name") or "").strip()
        try:
            if not label:
                raise ValueError("name: wanted a text, got none")
            x1, y1, x2, y2 = (float(one.findtext(f"bndbox/{corner}") or "none") for corner in CORNERS)
            found.append((label, box(x1 - first, y1 - first, x2, y2)))
        except ValueError as error:
            rows.malformed(InputError(f"{path}: object {place}: wanted a name and numbers in bndbox: {error}"))
    shapes = _with_masks([shape for _, shape in found], masks, size)
    for (label, _), shape in zip(found, shapes, strict=True):
        rows.object(image, label, shape)


def _with_masks(boxes: list[Shape], masks: Path | None, size: tuple[int, int]) -> list[Shape]:
    """Returns the boxes with the mask of their number, or with the one that fits best if that does not."""
    if masks is None:
        return boxes
    labels = read_labels(masks)
    if labels.shape != size:
        raise InputError(f"{masks}: wanted the image's height and width {list(size)}, got {list(labels.shape)}")
    left = label_masks(labels, ignored=(0, VOID))
    result = []
    for number, shape in enumerate(boxes, start=1):
        ranked = sorted(left, key=lambda one: (one == number, _overlap(shape, left[one])), reverse=True)
        fitting = [one for one in ranked if _overlap(shape, left[one]) >= SAME_OBJECT]
        result.append(shape | {"segmentation": left.pop(fitting[0])["segmentation"]} if fitting else shape)
    return result


def _overlap(one: Shape, other: Shape) -> float:
    first, second = (np.asarray(shape["bbox"], np.float64) for shape in (one, other))
    sides = np.minimum(first[:2] + first[2:], second[:2] + second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(sides.clip(min=0).prod())
    return shared / max(float(first[2:].prod() + second[2:].prod()) - shared, 1e-9)
