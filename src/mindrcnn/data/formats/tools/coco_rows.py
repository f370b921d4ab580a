"""COCO JSON written row by row while the files of another format are read."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mindrcnn import paths
from mindrcnn.data.federation import Federation
from mindrcnn.data.formats.tools.shapes import Shape
from mindrcnn.data.image_io import read_size
from mindrcnn.errors import InputError
from mindrcnn.outputs import MARK

PLACE = 10  # characters kept for a category's id, which is known when all files are read


class CocoRows:
    """The rows of one file. Images are numbered from 1 in the order of their calls, and so are objects.

    file: receives the JSON; must allow seeking.
    folder: the folder that image names are relative to.
    classes: names that are categories whether objects have them or not.
    malformed: called with the InputError about a row; if it returns, the row is skipped.

    Attributes:
        absent: images whose size is unknown because they do not exist; they and their objects are no rows.
        left_out: descriptions of what is no object, with their counts.
        federation: which classes each image was searched for, if the files say so.
    """

    def __init__(
        self, file: BinaryIO, *, folder: Path, classes: Sequence[str], malformed: Callable[[InputError], None]
    ) -> None:
        self.absent: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.federation: Federation | None = None
        self.malformed = malformed
        self.objects = 0
        self._file = file
        self._folder = folder
        self._images: list[bytes] = []
        self._numbers = {name: number for number, name in enumerate(dict.fromkeys(classes))}
        self._given: Mapping[int, str] | None = None
        self._uses, self._places = array("l"), array("q")
        self._written = 0
        self._write(f'{{"comment": "{MARK}", "annotations": [')

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self._images)

    def give_categories(self, names: Mapping[int, str]) -> None:
        """States all categories by id. Without this call they are the labels of the objects, numbered by name."""
        self._given = names

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Returns the (h, w) of an image file; None, and it is counted as absent, if it does not exist."""
        if not paths.is_file(self._folder / name):
            self.absent.append(name)
            return None
        return read_size(self._folder / name)

    def image(self, name: str, size: Sequence[int]) -> int:
        """Adds an image of `size` (h, w) and returns its id."""
        height, width = size
        self.image_row({"id": len(self._images) + 1, "file_name": name, "height": height, "width": width})
        return len(self._images)

    def image_row(self, row: Mapping[str, Any]) -> None:
        """Adds an image as a whole row."""
        self._images.append(json.dumps(row).encode())

    def object(self, image: int, label: str | int, shape: Shape, *, crowd: bool = False) -> None:
        """Adds an object of an image by its id; `label` is a category's name, or its id if categories are given."""
        if isinstance(label, int):
            self.object_row({"id": self.objects + 1, "category_id": label, "image_id": image} | shape, crowd=crowd)
            return
        text = _row({"id": self.objects + 1, "image_id": image} | shape, crowd=crowd)
        start = self._add('{"category_id":' + " " * PLACE + ", " + text.removeprefix("{"))
        self._places.append(start + len('{"category_id":'))
        self._uses.append(self._numbers.setdefault(label, len(self._numbers)))

    def object_row(self, row: Mapping[str, Any], *, crowd: bool = False) -> None:
        """Adds an object as a whole row."""
        self._add(_row(row, crowd=crowd))

    def _add(self, text: str) -> int:
        """Adds the text of an object; returns its place in the file."""
        self._write(",\n" if self.objects else "\n")
        start = self._written
        self._write(text)
        self.objects += 1
        return start

    def close(self) -> None:
        """Writes images and categories and the ids that are known by now."""
        self._write('\n],\n"images": [\n')
        self._file.write(b",\n".join(self._images))
        self._write('\n],\n"categories": ' + json.dumps(self._categories()) + "}\n")
        ids = {number: place for place, (_, number) in enumerate(sorted(self._numbers.items()), start=1)}
        for start, number in zip(self._places, self._uses, strict=True):
            self._file.seek(start)
            self._file.write(f"{ids[number]:{PLACE}d}".encode())
        self._file.flush()

    def _categories(self) -> list[dict[str, Any]]:
        if self._given is not None:
            return [{"id": number, "name": name} for number, name in self._given.items()]
        return [{"id": place, "name": name} for place, name in enumerate(sorted(self._numbers), start=1)]

    def _write(self, text: str) -> None:
        content = text.encode()
        self._file.write(content)
        self._written += len(content)


def _row(row: Mapping[str, Any], *, crowd: bool) -> str:
    return json.dumps({**row, "iscrowd": 1} if crowd else row)
