"""The demonstration data set: overlapping, partly hidden, textured shapes with COCO annotations.

The same seed gives the same bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mindrcnn import paths
from mindrcnn.data.masks import MIN_POLYGON_NUMBERS
from mindrcnn.datasets.demo_scene import draw_scene
from mindrcnn.datasets.demo_shapes import SHAPES
from mindrcnn.drawing.pictures import encode_picture
from mindrcnn.errors import InputError
from mindrcnn.outputs import HEAD, Output, protect

CONTOUR_SCALE = 4  # contours run through pixel centres, which costs half a pixel, or an eighth on this enlarged bitmap
CONTOUR_TOLERANCE = 1.4  # largest error of a simplified contour, in enlarged pixels
MIN_PART_AREA = 6.0  # pixels; an annotation leaves out smaller visible specks of its object

CATEGORY_IDS = {name: index for index, name in enumerate(SHAPES, start=1)}


def make_demo(
    root: Path,
    *,
    train_images: int = 1000,
    val_images: int = 100,
    size: int = 192,
    seed: int = 0,
    force: bool = False,
) -> None:
    """Writes root/{train,val}/*.jpg and root/annotations/instances_{train,val}.json.

    The annotation file is written last, so a split that has one is complete. Raises InputError if a file cannot be
    written.

    root: folder of the data set.
    train_images, val_images: number of images in each split.
    size: mean image side in pixels; sides vary by a sixth.
    seed: the source of everything random.
    force: whether files of others may be replaced.
    """
    paths.require_name(root)
    splits = ("train", train_images), ("val", val_images)
    if not force:
        for name, count in splits:
            protect(_outputs(root, name, count))
    for split, (name, count) in enumerate(splits):
        try:
            _write_split(root, name, count=count, size=size, rng=np.random.default_rng((seed, split)))
        except OSError as error:
            raise InputError(f"{root}: cannot write the demo data: {error.strerror or error}") from error


def _outputs(root: Path, name: str, count: int) -> list[Output]:
    """Returns the files of a split. Without its annotations, no image is known to be of such a data set."""
    annotations = _annotation_file(root, name)
    ours = paths.is_file(annotations) and is_demo(annotations)
    images = [Output(_image_file(root, name, number), lambda _: ours) for number in range(1, count + 1)]
    return [Output(annotations, is_demo), *images]


def is_demo(path: Path) -> bool:
    """Says whether a file looks like the annotations of a demonstration data set."""
    with paths.open_file(path) as file:
        try:
            file.seek(max(paths.size(path) - HEAD, 0))
            return file.read().endswith(json.dumps(_categories())[1:].encode() + b"}")
        except OSError as error:
            raise paths.refusal(path, error) from error


def _annotation_file(root: Path, name: str) -> Path:
    return root / "annotations" / f"instances_{name}.json"


def _image_file(root: Path, name: str, image_id: int) -> Path:
    return root / name / f"{image_id:06d}.jpg"


def _categories() -> list[dict[str, Any]]:
    return [{"id": number, "name": label, "supercategory": "shape"} for label, number in CATEGORY_IDS.items()]


def _write_split(root: Path, name: str, *, count: int, size: int, rng: np.random.Generator) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in range(1, count + 1):
        scene = draw_scene(rng, size=size)
        path = _image_file(root, name, image_id)
        path.write_bytes(encode_picture(path, scene.image))
        height, width = scene.image.shape[:2]
        images.append({"id": image_id, "file_name": path.name, "height": height, "width": width})
        for item in scene.objects:
            entry = _annotation(item.visible, item.crowd)
            entry |= {"id": len(annotations) + 1, "image_id": image_id, "category_id": CATEGORY_IDS[item.name]}
            annotations.append(entry)
    content = {"images": images, "annotations": annotations, "categories": _categories()}
    _annotation_file(root, name).write_text(json.dumps(content), encoding="utf-8")


def _annotation(visible: npt.NDArray[np.bool_], crowd: bool) -> dict[str, Any]:
    """Returns COCO's fields for the visible part: polygons, or RLE for crowds and for parts with holes."""
    bitmap = visible.astype(np.uint8) if crowd else _remove_specks(visible.astype(np.uint8))
    polygons = None if crowd else _outline(bitmap)
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
        "area": int(bitmap.sum()),
        "iscrowd": int(crowd),
        "segmentation": polygons or _encode(bitmap),
    }


def _remove_specks(bitmap: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Removes parts too small to outline, such as those that show between two shapes in front of the object."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(bitmap, connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= MIN_PART_AREA
    large[0] = False  # the background
    return large[parts].astype(np.uint8) if large.any() else bitmap


def _outline(bitmap: npt.NDArray[np.uint8]) -> list[list[float]] | None:
    """Returns polygons around the parts of a bitmap, or None if a part has a hole, which polygons cannot express."""
    height, width = bitmap.shape
    enlarged = cv2.resize(bitmap, (width * CONTOUR_SCALE, height * CONTOUR_SCALE), interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(enlarged, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = hierarchy[0, :, 3]
    areas = np.array([cv2.contourArea(contour) for contour in contours]) / CONTOUR_SCALE**2
    if ((parents >= 0) & (areas >= MIN_PART_AREA)).any():
        return None
    polygons = []
    for contour, parent in zip(contours, parents, strict=True):
        if parent < 0:
            simple = cv2.approxPolyDP(contour, CONTOUR_TOLERANCE, True)
            points = (simple.reshape(-1) + 0.5) / CONTOUR_SCALE
            if len(points) >= MIN_POLYGON_NUMBERS:
                polygons.append([round(float(number), 2) for number in points])
    return polygons


def _encode(bitmap: npt.NDArray[np.uint8]) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(bitmap))
    return {"size": list(bitmap.shape), "counts": rle["counts"].decode("ascii")}
