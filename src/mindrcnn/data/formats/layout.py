"""The annotation file and image folder of a split."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.data.formats.image_files import require_folder
from mindrcnn.errors import InputError


@dataclass(frozen=True)
class SplitFiles:
    """The annotations, a file or a folder, and the folder that image names are relative to; both exist."""

    annotations: Path
    images: Path


def find_split(*, root: Path, name: str, annotations: str = "", images: str = "") -> SplitFiles:
    """Returns the files of a split under `root`.

    With `annotations` empty, NAME is looked for as annotations/instances_NAME.json or image_info_NAME.json with the
    images in NAME/ (COCO; test-dev2017 has those of test2017), and as NAME/labels.json with NAME/data/ (FiftyOne), the
    latter also without a year at the end of NAME, and as validation/ for val. `annotations` and
    `images` name them directly, relative to `root` unless absolute; `images` alone overrides the folder of a found
    layout. Raises InputError that says what is missing and lists the paths tried.
    """
    require_folder(root, meaning="the data set")
    files = _named(root, name, annotations) if annotations else _found(root, name)
    folder = root / images if images else files.images
    require_folder(folder, meaning=f"the images of {files.annotations}")
    return SplitFiles(files.annotations, folder)


def _named(root: Path, name: str, annotations: str) -> SplitFiles:
    path = root / annotations
    if not paths.exists(path):
        raise InputError(f"{path}: no such annotation file")
    if not paths.is_file(path):
        raise InputError(f"{path}: wanted an annotation file, got {paths.describe(path)}")
    return SplitFiles(path, root / name)


def _found(root: Path, name: str) -> SplitFiles:
    if not name:
        raise InputError(f"{root}: wanted a split's name or its annotation file, got neither")
    layouts = [SplitFiles(root / "annotations" / f"instances_{name}.json", root / name)]
    images = root / name.replace("test-dev", "test")
    layouts.append(SplitFiles(root / "annotations" / f"image_info_{name}.json", images))
    short_name = re.sub(r"\d{4}$", "", name)
    for short in dict.fromkeys((name, short_name, "validation" if short_name == "val" else name)):
        layouts.append(SplitFiles(root / short / "labels.json", root / short / "data"))
    for files in layouts:
        if paths.exists(files.annotations):
            return files
    tried = ", ".join(str(files.annotations.relative_to(root)) for files in layouts)
    raise InputError(f"{root}: no annotation file of split {name!r}; looked for {tried}")
