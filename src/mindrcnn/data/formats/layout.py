"""The annotation file and image folder of a split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath

from mindrcnn import paths
from mindrcnn.data.formats.image_files import require_folder
from mindrcnn.data.formats.json_head import JsonHead, read_json_head
from mindrcnn.errors import InputError

SAME_SPLIT = ({"val", "valid", "validation"}, {"train", "training"}, {"test", "testing"})  # names in use for one split
INSTANCES = "instances_"
IMAGE_INFO = "image_info_"  # begins COCO's files of splits without annotations


@dataclass(frozen=True)
class SplitFiles:
    """The annotations, a file or a folder, and the folder that image names are relative to; both exist.

    split: name of the split, for annotations that hold several.
    format: name of the format that was recognised; empty if the configuration names it.
    class_attribute: the attribute that names the class, for formats in which objects have several; empty to choose one.
    skip_missing: whether images that are listed but absent are left out; otherwise they are an error.
    """

    annotations: Path
    images: Path
    split: str = field(default="", compare=False)
    format: str = field(default="", compare=False)
    class_attribute: str = ""
    skip_missing: bool = False


def find_split(*, root: Path, name: str, annotations: str = "", images: str = "") -> SplitFiles:
    """Returns the files of a split under `root`.

    With `annotations` empty, the layouts of `split_files` are looked for. `annotations` and `images` name them
    directly, relative to `root` unless absolute; `images` alone overrides the folder of a found layout. Of the folders
    in which tools put images, the first is taken that has the file's first image. Raises InputError that says what is
    missing and lists the paths tried.
    """
    require_root(root)
    file = _named(root, annotations) if annotations else _found(root, name)
    folder = root / images if images else image_folder(root, name, file)
    require_folder(folder, meaning=f"the images of {file}")
    return SplitFiles(file, folder, split=name)


def require_root(root: Path) -> None:
    """Raises InputError unless `root` is a folder with something in it; names it from the file system's root."""
    try:
        require_folder(root, meaning="the data set")
    except InputError as error:
        if root.is_absolute():
            raise
        raise InputError(f"{error} (data.root is {paths.resolve(root)})") from error


def split_names(name: str) -> list[str]:
    """Returns the names under which tools keep a split: as it is, without a year, then its other names."""
    short = re.sub(r"\d{4}$", "", name)
    others = sorted(other for names in SAME_SPLIT if short in names for other in names - {short})
    return list(dict.fromkeys(one for one in (name, short, *others) if one))


def split_files(root: Path, name: str) -> Iterator[Path]:
    """Yields the COCO files of a split in the layouts of COCO, FiftyOne, Roboflow, Label Studio and CVAT."""
    yield root / "annotations" / f"{INSTANCES}{name}.json"
    yield root / "annotations" / f"{IMAGE_INFO}{name}.json"
    for short in split_names(name):
        yield root / short / "labels.json"
    for short in split_names(name):
        for file in ("_annotations.coco.json", "result.json", f"annotations/{INSTANCES}default.json"):
            yield root / short / file
        yield root / "annotations" / f"{INSTANCES}{short}.json"


def _named(root: Path, annotations: str) -> Path:
    path = root / annotations
    if not paths.exists(path):
        raise InputError(f"{path}: no such annotation file")
    if not paths.is_file(path):
        raise InputError(f"{path}: wanted an annotation file, got {paths.describe(path)}")
    return path


def _found(root: Path, name: str) -> Path:
    if not name:
        raise InputError(f"{root}: wanted a split's name or its annotation file, got neither")
    tried = list(dict.fromkeys(split_files(root, name)))
    for file in tried:
        if paths.exists(file):
            return file
    listed = ", ".join(str(file.relative_to(root)) for file in tried)
    raise InputError(f"{root}: no annotation file of split {name!r}; looked for {listed}")


def image_folder(root: Path, name: str, file: Path) -> Path:
    """Returns the folder that the image names of a COCO file are relative to: the first that has its first image.

    root: the folder of the data set.
    name: the split's name, or empty.
    file: the annotation file.
    """
    usual = _usual_folder(root, name, file)
    sample = first_image(read_json_head(file)) if paths.is_file(file) else ""
    if not sample:
        return usual
    for candidate in (sample, PureWindowsPath(sample).name):  # some tools write the path of another machine
        for folder in (usual, *_other_folders(root, name, file)):
            if paths.is_file(folder / candidate):
                return folder
    return usual


def first_image(head: JsonHead | None) -> str:
    """Returns the file name of the first image that a COCO file lists, as far as the file's beginning tells."""
    row = {} if head is None else head.row("images")
    name = row.get("file_name")
    if isinstance(name, str) and name and "\0" not in name and name.isprintable():
        return name
    return lvis_name(row)


def lvis_name(row: dict[str, object]) -> str:
    """Returns the file name in an image's URL with the folder before it, LVIS's name for it; empty without one."""
    url = row.get("coco_url")
    return "/".join(url.split("/")[-2:]) if isinstance(url, str) and url.isprintable() else ""


def _usual_folder(root: Path, name: str, file: Path) -> Path:
    if file.name == "labels.json":
        return file.parent / "data"
    # COCO lists the images of test-dev apart; they are among those of the test split.
    return root / (name.replace("test-dev", "test") if file.name.startswith(IMAGE_INFO) else name)


def _other_folders(root: Path, name: str, file: Path) -> Iterator[Path]:
    above = file.parent
    yield above  # Roboflow
    yield above / "data"
    yield above / "images"  # Label Studio
    for folder in (above.parent, root):
        yield folder / "images" / file.stem.removeprefix(INSTANCES)  # CVAT
        for short in split_names(name):
            yield folder / "images" / short
            yield folder / short
        yield folder / "images"
    yield root
