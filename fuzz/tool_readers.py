"""The readers of annotation tools' exports, each with a small export of which one file is altered."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from fuzz.mutate import mutate_bytes, mutate_json
from fuzz.seeds import Seeds
from fuzz.target import Target
from mindrcnn.build.data import build_dataset
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.data.record import Dataset
from mindrcnn.exported.texts import read_texts

SHARE = 0.5
TRAIN = SplitConfig(name="train")

Objects = dict[str, list[tuple[str, list[float]]]]  # file name -> class and corners of each object


def tool_targets(seeds: Seeds, use: Callable[[Dataset], None]) -> list[Target]:
    """Returns a target for each kind of file; `use` does with a data set what training and evaluation do."""
    sizes = {image["file_name"]: (image["height"], image["width"]) for image in seeds.coco["images"]}
    objects = _objects(seeds)
    name = next(name for name, listed in objects.items() if listed)
    stem, size = Path(name).stem, sizes[name]
    made: dict[str, tuple[str, Any]] = {  # target -> the file in its folder, and its content
        "labelme": (f"train/{stem}.json", _labelme(name, size, objects[name])),
        "via": ("train/via_project.json", _via(objects)),
        "lvis": ("lvis_v1_train.json", _lvis(seeds)),
        "cityscapes": (f"gtFine/train/a/{stem}_gtFine_polygons.json", _cityscapes(size, objects[name])),
        "yolo_names": ("data.yaml", _yolo_names(objects)),
        "yolo_labels": (f"labels/train/{stem}.txt", _yolo_labels(size, objects)),
        "voc": (f"Annotations/{stem}.xml", _voc(name, size, objects[name])),
        "voc_list": ("ImageSets/Main/train.txt", f"{stem}\n".encode()),
    }
    targets = []
    for target, (file, content) in made.items():
        root = seeds.root / "tools" / target
        _write_export(root, target, seeds, name, {key: value for key, (_, value) in made.items()} | {"stem": stem})
        targets.append(Target(target, root / file, partial(_altered, content), partial(_read, root, use), SHARE))
    model = seeds.root / "m.onnx"
    targets.append(Target("texts", model, partial(_altered, _texts()), partial(read_texts, model), SHARE))
    return targets


def _write_export(root: Path, target: str, seeds: Seeds, name: str, contents: dict[str, Any]) -> None:
    """Writes the files of an export beside the one that is altered."""
    images = {
        "labelme": "train", "via": "train", "lvis": "train2017", "cityscapes": "leftImg8bit/train/a",
        "yolo_names": "images/train", "yolo_labels": "images/train", "voc": "JPEGImages", "voc_list": "JPEGImages",
    }[target]  # fmt: skip
    listed = [name] if target in ("labelme", "cityscapes") else sorted(path.name for path in seeds.images.iterdir())
    (root / images).mkdir(parents=True)
    for one in listed:
        renamed = f"{Path(one).stem}_leftImg8bit{Path(one).suffix}" if target == "cityscapes" else one
        shutil.copy(seeds.images / one, root / images / renamed)
    stem = contents["stem"]
    files = {
        "labelme": {}, "via": {}, "lvis": {}, "cityscapes": {f"gtFine/train/a/{stem}_gtFine_polygons.json": b""},
        "yolo_names": {f"labels/train/{stem}.txt": contents["yolo_labels"]},
        "yolo_labels": {"data.yaml": contents["yolo_names"], f"labels/train/{stem}.txt": b""},
        "voc": {"ImageSets/Main/train.txt": contents["voc_list"], f"Annotations/{stem}.xml": b""},
        "voc_list": {f"Annotations/{stem}.xml": contents["voc"], "ImageSets/Main/train.txt": b""},
    }[target]  # fmt: skip
    for file, content in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)


def _altered(content: Any, rng: random.Random) -> bytes:
    """Alters JSON as a tree, mostly, and anything else byte by byte."""
    if isinstance(content, bytes):
        return mutate_bytes(content, rng)
    return mutate_json(content, rng) if rng.random() < 0.8 else mutate_bytes(json.dumps(content).encode(), rng)


def _read(root: Path, use: Callable[[Dataset], None]) -> None:
    use(build_dataset(DataConfig(root=str(root), train=TRAIN), TRAIN, "data.train"))


def _objects(seeds: Seeds) -> Objects:
    """Returns the polygons of the data set; every image is a key."""
    names = {image["id"]: image["file_name"] for image in seeds.coco["images"]}
    classes = {category["id"]: category["name"] for category in seeds.coco["categories"]}
    found: Objects = {name: [] for name in names.values()}
    for row in seeds.coco["annotations"]:
        if isinstance(row["segmentation"], list):
            found[names[row["image_id"]]].append((classes[row["category_id"]], row["segmentation"][0]))
    return found


def _pairs(numbers: list[float]) -> list[list[float]]:
    return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _labelme(name: str, size: tuple[int, int], listed: list[tuple[str, list[float]]]) -> dict[str, Any]:
    shapes: list[dict[str, Any]] = [
        {"label": label, "points": _pairs(part), "group_id": None, "shape_type": "polygon"} for label, part in listed
    ]
    shapes.append({"label": "x", "points": [[3, 4], [20, 30]], "group_id": 1, "shape_type": "rectangle"})
    shapes.append({"label": "x", "points": [[20, 20], [25, 20]], "group_id": 1, "shape_type": "circle"})
    height, width = size
    return {"version": "5", "shapes": shapes, "imagePath": name, "imageHeight": height, "imageWidth": width}


def _via(objects: Objects) -> dict[str, Any]:
    shapes: list[dict[str, Any]] = [
        {"name": "rect", "x": 3, "y": 4, "width": 10, "height": 20},
        {"name": "circle", "cx": 20, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 20, "cy": 20, "rx": 5, "ry": 7.5, "theta": 0.3},
    ]
    entries = {}
    for name, listed in objects.items():
        outlines = [{"name": "polygon", "all_points_x": part[::2], "all_points_y": part[1::2]} for _, part in listed]
        regions = [{"shape_attributes": one, "region_attributes": {"class": "x"}} for one in [*outlines, *shapes]]
        entries[f"{name}1"] = {"filename": name, "size": 1, "regions": regions, "file_attributes": {}}
    return {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}


def _lvis(seeds: Seeds) -> dict[str, Any]:
    content = dict(json.loads(json.dumps(seeds.coco)))
    for image in content["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/train2017/{image.pop('file_name')}"
        image |= {"neg_category_ids": [1], "not_exhaustive_category_ids": [2]}
    content["annotations"] = [row for row in content["annotations"] if isinstance(row["segmentation"], list)]
    return content


def _cityscapes(size: tuple[int, int], listed: list[tuple[str, list[float]]]) -> dict[str, Any]:
    height, width = size
    objects: list[dict[str, Any]] = [{"label": label, "polygon": _pairs(part)} for label, part in listed]
    objects.append({"label": "xgroup", "polygon": [[1, 1], [9, 1], [9, 9]], "deleted": 0})
    return {"imgHeight": height, "imgWidth": width, "objects": objects}


def _yolo_names(objects: Objects) -> bytes:
    names = sorted({label for listed in objects.values() for label, _ in listed})
    rows = "".join(f"  {number}: {name}\n" for number, name in enumerate(names))
    return f"path: .\ntrain: images/train\nval: images/val\nnc: {len(names)}\nnames:\n{rows}".encode()


def _yolo_labels(size: tuple[int, int], objects: Objects) -> bytes:
    (height, width), listed = size, next(listed for listed in objects.values() if listed)
    rows = [
        " ".join(["0", *(f"{number / (height if place % 2 else width):.5f}" for place, number in enumerate(part))])
        for _, part in listed
    ]
    return "\n".join([*rows, "0 0.5 0.5 0.25 0.25"]).encode()


def _voc(name: str, size: tuple[int, int], listed: list[tuple[str, list[float]]]) -> bytes:
    objects = ""
    for label, part in listed:
        xs, ys = part[::2], part[1::2]
        corners = f"<xmin>{min(xs)}</xmin><ymin>{min(ys)}</ymin><xmax>{max(xs)}</xmax><ymax>{max(ys)}</ymax>"
        objects += f"<object><name>{escape(label)}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>"
    height, width = size
    sides = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>x</folder><filename>{name}</filename>{sides}{objects}</annotation>".encode()


def _texts() -> bytes:
    """Returns a model in protobuf with a number, a fixed number and two texts."""

    def text(key: bytes, value: bytes) -> bytes:
        pair = b"\x0a" + bytes([len(key)]) + key + b"\x12" + bytes([len(value)]) + value
        return b"\x72" + bytes([len(pair)]) + pair  # field 14

    return b"\x08\x07" + b"\x15\x00\x00\x80\x3f" + text(b"classes", b"cat, dog") + text(b"card", b'{"a": 1}')
