"""One small data set as the tools export it: the same three images and objects in every format."""

import base64
import io
import json
import math
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("fig", "pear", "plum")
SIZES = {"a.png": (40, 60), "b.png": (50, 30), "c.png": (32, 48)}  # (h, w); c has no objects
POLYGONS = {
    "a.png": [("plum", [[50, 30, 60, 30, 60, 40]]), ("fig", [[2.5, 4, 22.5, 4, 22.5, 20, 2.5, 20]])],
    "b.png": [("pear", [[5, 10, 25, 10, 25, 40, 5, 40]])],
    "c.png": [],
}


def box_of(parts: list[list[float]]) -> list[float]:
    xs = [x for part in parts for x in part[::2]]
    ys = [y for part in parts for y in part[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def pairs(part: list[float]) -> list[list[float]]:
    return [list(pair) for pair in zip(part[::2], part[1::2], strict=True)]


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, (height, width)) in enumerate(SIZES.items()):
        Image.fromarray(np.full((height, width, 3), 40 * number, np.uint8)).save(folder / name)


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def coco_content(masks: bool = True) -> dict[str, Any]:
    annotations = []
    for image, (name, objects) in enumerate(POLYGONS.items(), start=1):
        assert name in SIZES
        for label, parts in objects:
            row = {"id": len(annotations) + 1, "image_id": image, "category_id": NAMES.index(label) + 1}
            annotations.append(row | {"bbox": box_of(parts)} | ({"segmentation": parts} if masks else {}))
    images = [
        {"id": number, "file_name": name, "height": height, "width": width}
        for number, (name, (height, width)) in enumerate(SIZES.items(), start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def roboflow(root: Path) -> None:
    content = coco_content()
    for row in content["categories"]:
        row["supercategory"] = "fruit-x7k2"
    content["categories"].insert(0, {"id": 0, "name": "fruit-x7k2", "supercategory": "none"})
    write_images(root / "train")
    write_json(root / "train/_annotations.coco.json", content)


def cvat(root: Path) -> None:
    write_images(root / "images/train")
    write_json(root / "annotations/instances_train.json", coco_content())


def label_studio(root: Path) -> None:
    content = coco_content()
    for row in content["images"]:
        row["file_name"] = f"images/{row['file_name']}"
    write_images(root / "train/images")
    write_json(root / "train/result.json", content)


def label_studio_elsewhere(root: Path) -> None:
    """As versions write it that name the server's files."""
    content = coco_content()
    for row in content["images"]:
        row["file_name"] = f"..\\..\\label-studio\\media\\upload\\1\\{row['file_name']}"
    write_images(root / "train/images")
    write_json(root / "train/result.json", content)


def fiftyone(root: Path) -> None:
    write_images(root / "train/data")
    write_json(root / "train/labels.json", coco_content())


def text_ids(root: Path) -> None:
    """COCO whose ids are texts, of figures and of letters."""
    content = coco_content()
    for row in content["images"]:
        row["id"] = f"img-{row['id']}"
    for row in content["annotations"]:
        row |= {"id": str(row["id"]), "image_id": f"img-{row['image_id']}", "category_id": str(row["category_id"])}
    write_images(root / "train")
    write_json(root / "annotations/instances_train.json", content)


def labelme(root: Path) -> None:
    write_images(root / "train")
    for name, objects in POLYGONS.items():
        height, width = SIZES[name]
        shapes: list[dict[str, Any]] = [
            {"label": label, "points": pairs(part), "group_id": None, "shape_type": "polygon", "flags": {}}
            for label, parts in objects
            for part in parts
        ]
        if name == "a.png":  # labelme's rectangle: two corners, in any order
            shapes[1] |= {"shape_type": "rectangle", "points": [[22.5, 20], [2.5, 4]]}
            shapes.append({"label": "stalk", "points": [[1, 1]], "shape_type": "point"})
            shapes.append({"label": "__ignore__", "points": [[1, 1], [2, 2]], "shape_type": "rectangle"})
        content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
        write_json(root / f"train/{Path(name).stem}.json", content | {"imageHeight": height, "imageWidth": width})


def via(root: Path) -> None:
    write_images(root / "train")
    entries = {}
    for name, objects in POLYGONS.items():
        regions = []
        for label, (part,) in objects:
            shape: dict[str, Any] = {"name": "polygon", "all_points_x": part[::2], "all_points_y": part[1::2]}
            if label == "pear":
                shape = dict(zip(("x", "y", "width", "height"), box_of([part]), strict=True), name="rect")
            attributes = {"class": label if label != "plum" else {"plum": True}, "ripe": "yes"}
            regions.append({"shape_attributes": shape, "region_attributes": attributes})
        entries[f"{name}123"] = {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}
    project = {"_via_settings": {"ui": {}}, "_via_img_metadata": entries, "_via_attributes": {}}
    write_json(root / "train/via_project.json", project)


def via_export(root: Path) -> None:
    via(root)
    project = root / "train/via_project.json"
    write_json(root / "train/via_region_data.json", json.loads(project.read_text())["_via_img_metadata"])
    project.unlink()


def yolo_lines(name: str, *, masks: bool = True) -> str:
    height, width = SIZES[name]
    lines = []
    for label, parts in POLYGONS[name]:
        if masks:
            numbers = [number / (height if place % 2 else width) for place, number in enumerate(parts[0])]
        else:
            x, y, w, h = box_of(parts)
            numbers = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
        lines.append(" ".join(map(str, [NAMES.index(label), *numbers])) + "\n")
    return "".join(lines)


def yolo(root: Path, *, masks: bool = True) -> None:
    """As ultralytics wants it; the image without objects has no file of labels."""
    write_images(root / "images/train")
    (root / "labels/train").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (root / f"labels/train/{Path(name).stem}.txt").write_text(yolo_lines(name, masks=masks))
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
    (root / "data.yaml").write_text(f"path: ../somewhere\ntrain: images/train\nval: images/val\nnames:\n{names}")


def yolo_boxes(root: Path) -> None:
    yolo(root, masks=False)


def yolo_roboflow(root: Path) -> None:
    """As Roboflow writes it: ../ before folders that are beside the file."""
    write_images(root / "train/images")
    (root / "train/labels").mkdir()
    for name in SIZES:
        (root / f"train/labels/{Path(name).stem}.txt").write_text(yolo_lines(name))
    (root / "data.yaml").write_text(f"train: ../train/images\nval: ../valid/images\nnc: 3\nnames: {list(NAMES)}\n")


def yolo_cvat(root: Path) -> None:
    """As CVAT writes it: a list of images, which begin with data/."""
    yolo(root)
    (root / "train.txt").write_text("".join(f"data/images/train/{name}\n" for name in SIZES))
    (root / "data.yaml").write_text(f"path: .\ntrain: train.txt\nnames: {list(NAMES)}\n")


def yolo_label_studio(root: Path) -> None:
    """As Label Studio writes it: classes.txt instead of data.yaml, and no splits."""
    write_images(root / "images")
    (root / "labels").mkdir()
    for name in SIZES:
        (root / f"labels/{Path(name).stem}.txt").write_text(yolo_lines(name))
    (root / "classes.txt").write_text("\n".join(NAMES))


def voc_xml(name: str) -> str:
    height, width = SIZES[name]
    objects = ""
    for label, parts in POLYGONS[name]:
        x, y, w, h = box_of(parts)
        corners = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax>"
        objects += f"<object><name>{escape(label)}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>"
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>x</folder><filename>{name}</filename>{size}{objects}</annotation>"


def voc(root: Path) -> None:
    write_images(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for name in SIZES:
        (root / f"Annotations/{Path(name).stem}.xml").write_text(voc_xml(name))
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("a\nb\nc\n")


def bitmaps(name: str) -> list[np.ndarray]:
    """The pixels of an image's objects, (h, w) bool each."""
    found = []
    for _, parts in POLYGONS[name]:
        picture = Image.new("1", SIZES[name][::-1])
        ImageDraw.Draw(picture).polygon(parts[0], fill=1)
        found.append(np.asarray(picture))
    return found


def voc_masks(root: Path) -> None:
    """With the numbers of objects as the pixels of a PNG."""
    voc(root)
    (root / "ImageSets/Main").rename(root / "ImageSets/Segmentation")
    (root / "SegmentationObject").mkdir()
    for name in SIZES:
        numbers = np.zeros(SIZES[name], np.uint8)
        for number, bitmap in enumerate(bitmaps(name), start=1):
            numbers[bitmap] = number
        Image.fromarray(numbers).save(root / f"SegmentationObject/{name}")


def coco_bitmaps(root: Path) -> None:
    """What `voc_masks` has, in COCO's own layout."""
    content = coco_content()
    masks = [bitmap for name in POLYGONS for bitmap in bitmaps(name)]
    for row, bitmap in zip(content["annotations"], masks, strict=True):
        runs = [len(list(run)) for _, run in groupby(bitmap.T.ravel().tolist())]
        row["segmentation"] = {"size": list(bitmap.shape), "counts": [0, *runs] if bitmap[0, 0] else runs}
    write_images(root / "train")
    write_json(root / "annotations/instances_train.json", content)


def voc_beside(root: Path) -> None:
    """As Roboflow writes it: XML files beside the images."""
    write_images(root / "train")
    for name in SIZES:
        (root / f"train/{Path(name).stem}.xml").write_text(voc_xml(name))


def lvis(root: Path) -> None:
    content = coco_content()
    for row in content["images"]:
        name = row.pop("file_name")
        row |= {"coco_url": f"http://images.cocodataset.org/train2017/{name}", "neg_category_ids": [1]}
        row |= {"not_exhaustive_category_ids": [2] if name == "c.png" else []}
    for row in content["categories"]:
        row["frequency"] = "r"
    write_images(root / "train2017")
    write_json(root / "lvis_v1_train.json", content)


def coco_crowd(root: Path) -> None:
    """What `lvis` has, in COCO's own layout: the class that is not annotated in full is a crowd."""
    content = coco_content()
    height, width = SIZES["c.png"]
    crowd = {"id": 99, "image_id": 3, "category_id": 2, "bbox": [0, 0, width, height], "iscrowd": 1}
    mask = {"size": [height, width], "counts": [0, height * width]}
    content["annotations"].append(crowd | {"segmentation": mask})
    write_images(root / "train")
    write_json(root / "annotations/instances_train.json", content)


def cityscapes(root: Path) -> None:
    write_images(root / "leftImg8bit/train/x")
    for name in SIZES:
        path = root / "leftImg8bit/train/x" / name
        path.rename(path.with_name(f"x_{path.stem}_leftImg8bit.png"))
    for name, objects in POLYGONS.items():
        height, width = SIZES[name]
        listed: list[dict[str, Any]] = [
            {"label": label, "polygon": pairs(part)} for label, parts in objects for part in parts
        ]
        if name == "c.png":
            listed.append({"label": "fig", "polygon": [[1, 1], [9, 1], [9, 9]], "deleted": 1})
        write_json(
            root / f"gtFine/train/x/x_{Path(name).stem}_gtFine_polygons.json",
            {"imgHeight": height, "imgWidth": width, "objects": listed},
        )


def with_splits(write: Callable[[Path], None], root: Path, splits: Iterable[str]) -> None:
    """Writes an export for each split: the same data, with the split's name wherever the one of `train` would be."""
    for split in splits:
        with TemporaryDirectory() as folder:
            write(Path(folder))
            for path in sorted(Path(folder).rglob("*")):
                place = root / str(path.relative_to(folder)).replace("train", split)
                if path.is_dir() or (place.name == "data.yaml" and place.exists()):
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                renamed = path.suffix in (".json", ".txt", ".xml")
                content = path.read_bytes()
                place.write_bytes(content.replace(b"train", split.encode()) if renamed else content)


def mask_png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def circle_area(radius: float) -> float:
    return math.pi * radius * radius


EXPORTS: dict[str, tuple[Callable[[Path], None], str]] = {  # name -> how it is written, the format
    one.__name__: (one, name)
    for name, exports in {
        "coco": (roboflow, cvat, label_studio, label_studio_elsewhere, fiftyone, text_ids),
        "labelme": (labelme,),
        "via": (via, via_export),
        "yolo": (yolo, yolo_roboflow, yolo_cvat),
        "cityscapes": (cityscapes,),
        "lvis": (lvis,),
    }.items()
    for one in exports
}
BOXES: dict[str, tuple[Callable[[Path], None], str]] = {
    "yolo_boxes": (yolo_boxes, "yolo"),
    "voc": (voc, "voc"),
    "voc_beside": (voc_beside, "voc"),
}
