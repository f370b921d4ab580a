"""YOLO's labels: a text file for each image, and a YAML file with the class names and the folders of the splits.

The lines are `class x y x y ...` (a polygon) or `class x y width height` (a box around a centre), in shares of the
image's width and height. Class names may also be the lines of `classes.txt` or `obj.names`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.data.formats.layout import SplitFiles, split_names
from mindrcnn.data.formats.tools.coco_rows import CocoRows
from mindrcnn.data.formats.tools.files import IMAGE_ENDINGS, files_in, images_below
from mindrcnn.data.formats.tools.shapes import Shape, box, polygons
from mindrcnn.data.formats.tools.tool_format import ToolFormat
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.yaml_text import parse_yaml_value

SPLITS = ("train", "val", "valid", "test")  # keys of the YAML file
NAME_FILES = ("classes.txt", "obj.names")
OVERSHOOT = 0.5  # of the image's side; a corner further outside is not a share, but in pixels
BOX = 4  # numbers of a line after the class


@dataclass(frozen=True)
class Description:
    """The file of class names: the names by number, and the folders or lists of images of each split."""

    path: Path
    names: dict[int, str]
    splits: dict[str, list[str]]
    root: str = ""


class YoloFormat(ToolFormat):
    """A YAML file with `names`, beside folders `images` and `labels`."""

    name = "yolo"
    has_masks = True
    title = "YOLO labels with data.yaml"

    def places(self, root: Path, name: str) -> Iterable[Path]:
        """Returns the folder of the data set, which describes all splits, and that of the split."""
        return [root, *(root / short for short in split_names(name))]

    def annotations_at(self, path: Path) -> Path | None:
        """Returns the file of class names that `path` is or, as a folder, has in it."""
        if paths.is_folder(path):
            found = files_in(path, ".yaml", ".yml") + [path / file for file in NAME_FILES]
            return next((file for file in found if paths.is_file(file) and self.annotations_at(file)), None)
        if path.name in NAME_FILES:
            beside = [one.name for one in paths.list_folder(path.parent)]
            return path if "labels" in beside or "obj.data" in beside else None
        if path.suffix.lower() not in (".yaml", ".yml"):
            return None
        try:
            content = _content(path)
        except InputError:
            return None
        # supervision names no splits
        of_yolo = set(SPLITS) & set(content) or paths.is_folder(path.parent / "labels")
        return path if isinstance(content.get("names"), dict | list) and of_yolo else None

    def folder(self, root: Path, name: str, annotations: Path) -> Path:
        """Returns the folder of the class names, which contains the others."""
        return annotations.parent

    def write(self, files: SplitFiles, rows: CocoRows) -> None:
        """Adds the images of the split; one without a file of labels has no objects."""
        described = read_description(files.annotations)
        rows.give_categories(described.names)
        labelled = 0
        images = _images(described, files)
        for image in images:
            size = rows.size_of(os.path.relpath(image, files.images))
            if size is None:
                continue
            number = rows.image(os.path.relpath(image, files.images), size)
            labels = next((path for path in label_files(image) if paths.is_file(path)), None)
            if labels is not None:
                labelled += 1
                _add_labels(labels, number, size, described.names, rows)
        if images and not labelled:
            looked = shorten(label_files(images[0]))
            raise InputError(f"{files.annotations}: none of {len(images)} images has labels; looked for {looked}")


def read_description(path: Path) -> Description:
    """Reads a file of class names. Raises InputError that names the key and what was wanted."""
    if path.name in NAME_FILES:
        lines = [line.strip() for line in paths.read_text(path, encoding="utf-8-sig").splitlines()]
        return Description(path, {place: name for place, name in enumerate(lines) if name}, {})
    content = _content(path)
    if "kpt_shape" in content:
        raise InputError(f"{path}: YOLO pose labels (kpt_shape) are not read; boxes or polygons are wanted")
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(type(number) is int for number in names):
        raise InputError(f"{path}: names: wanted a list, or class numbers with names, got {quote_value(names)}")
    splits = {}
    for key in SPLITS:
        value = content.get(key)
        entries = value if isinstance(value, list) else [value] if value else []
        if not all(isinstance(entry, str) for entry in entries):
            raise InputError(f"{path}: {key}: wanted a folder or list of images, got {quote_value(value)}")
        splits[key] = entries
    root = content.get("path")
    named = {number: str(name) for number, name in names.items()}
    return Description(path, named, splits, root if isinstance(root, str) else "")


def label_files(image: Path) -> list[Path]:
    """Returns the places of an image's labels: in `labels` instead of `images`, or beside the image."""
    places = [image.with_suffix(".txt")]
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            places.insert(0, Path(*parts).with_suffix(".txt"))
            break
    return places


def _content(path: Path) -> Mapping[str, Any]:
    content = parse_yaml_value(paths.read_text(path, encoding="utf-8-sig"), path)
    return content if isinstance(content, Mapping) else {}


def _images(described: Description, files: SplitFiles) -> list[Path]:
    """Returns the images of the split in order."""
    if files.images != described.path.parent:
        return images_below(files.images)
    short = split_names(files.split)
    entries = next((described.splits[one] for one in short if described.splits.get(one)), None)
    if entries is None:
        given = [name for name, found in described.splits.items() if found]
        if given:
            raise InputError(
                f"{described.path}: wanted the name of a split, one of {', '.join(given)}, got {files.split!r}"
            )
        entries = _folders_of(described.path.parent, short)
    return list(dict.fromkeys(image for entry in entries for image in _entry(described, entry)))


def _folders_of(root: Path, short: Iterable[str]) -> list[str]:
    """Returns what holds the images of a split that no YAML file describes, relative to `root`."""
    for name in short:
        for place in (f"{name}.txt", f"images/{name}", f"{name}/images", f"obj_{name}_data"):
            if paths.exists(root / place):
                return [place]
    return ["images"]


def _entry(described: Description, entry: str) -> list[Path]:
    """Returns the images of one folder or list. Raises InputError if it is nowhere."""
    above = described.path.parent
    tried = []
    for base in (above / paths.expand(described.root), above) if described.root else (above,):
        # Roboflow writes ../train/images for what is in train/images
        for relative in (entry, entry.removeprefix("../")):
            place = base / paths.expand(relative)
            tried.append(place)
            if paths.is_folder(place):
                return images_below(place)
            if paths.is_file(place):
                return list(_listed(place, above))
    places = shorten(dict.fromkeys(tried))
    raise InputError(f"{described.path}: wanted a folder or list of images, got nothing at {places}")


def _listed(file: Path, root: Path) -> Iterator[Path]:
    """Yields the images of a list; CVAT writes `data/` before paths that begin in the folder of the list."""
    for line in paths.read_text(file, encoding="utf-8-sig").splitlines():
        name = line.strip()
        if Path(name).suffix.lower() not in IMAGE_ENDINGS:
            continue
        places = [file.parent / name, root / name, root / name.removeprefix("data/")]
        yield Path(os.path.normpath(next((place for place in places if paths.is_file(place)), places[0])))


def _add_labels(path: Path, image: int, size: tuple[int, int], names: Mapping[int, str], rows: CocoRows) -> None:
    for number, line in enumerate(paths.read_text(path, encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            label, shape = _parse(line, size)
            if label not in names:
                raise ValueError(f"wanted a class of {shorten(names.values())}, got number {label}")
        except ValueError as error:
            rows.malformed(InputError(f"{path}, line {number}: {error}"))
            continue
        rows.object(image, label, shape)


def _parse(line: str, size: tuple[int, int]) -> tuple[int, Shape]:
    """Returns class and shape of a line for an image of `size` (h, w). Raises ValueError that names the mistake."""
    label, *words = line.split()
    height, width = size
    try:
        numbers = [float(word) for word in words]
        label_number = int(label)
    except ValueError:
        raise ValueError(f"wanted `class x y ...` in numbers, got {quote_value(line)}") from None
    if len(numbers) != BOX and (len(numbers) < BOX + 2 or len(numbers) % 2):
        raise ValueError(f"wanted after the class 4 numbers (a box) or x, y of 3 or more corners, got {len(numbers)}")
    if not all(-OVERSHOOT <= number <= 1 + OVERSHOOT for number in numbers):
        raise ValueError("wanted shares of the image's width and height, from 0 to 1, got others")
    if len(numbers) == BOX:
        x, y, w, h = numbers
        return label_number, box((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
    corners = [number * (height if place % 2 else width) for place, number in enumerate(numbers)]
    return label_number, polygons([corners])
