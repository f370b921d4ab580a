"""Makes the demonstration data set: overlapping, partly hidden, textured shapes with COCO annotations.

`python -m mindrcnn.datasets.demo FOLDER` writes train and val in COCO's layout. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mindrcnn.data.masks import MIN_POLYGON_NUMBERS
from mindrcnn.datasets.demo_scene import Scene, draw_scene
from mindrcnn.datasets.demo_shapes import SHAPES
from mindrcnn.drawing.pictures import JPEG_QUALITY
from mindrcnn.errors import InputError

CONTOUR_SCALE = 4  # contours run through pixel centres; on an enlarged bitmap that costs an eighth of a pixel only
CONTOUR_TOLERANCE = 1.4  # enlarged pixels that a simplified contour may be off
MIN_PART_AREA = 6.0  # pixels; smaller visible specks of an object are left out of its annotation

CATEGORY_IDS = {name: index for index, name in enumerate(SHAPES, start=1)}


def make_demo(root: Path, *, train_images: int = 1000, val_images: int = 100, size: int = 192, seed: int = 0) -> None:
    """Writes root/{train,val}/*.jpg and root/annotations/instances_{train,val}.json.

    `size`: mean image side, pixels; sides vary by a sixth. The annotation file is written last, so a split that has one
    is complete. InputError where the disk refuses.
    """
    for split, (name, count) in enumerate((("train", train_images), ("val", val_images))):
        try:
            _write_split(root, name, count=count, size=size, rng=np.random.default_rng((seed, split)))
        except OSError as error:
            raise InputError(f"{root}: cannot write the demo data: {error.strerror or error}") from error


def _write_split(root: Path, name: str, *, count: int, size: int, rng: np.random.Generator) -> None:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in range(1, count + 1):
        scene = draw_scene(rng, size=size)
        file_name = f"{image_id:06d}.jpg"
        (folder / file_name).write_bytes(_jpeg(scene))
        height, width = scene.image.shape[:2]
        images.append({"id": image_id, "file_name": file_name, "height": height, "width": width})
        for item in scene.objects:
            entry = _annotation(item.visible, item.crowd)
            entry |= {"id": len(annotations) + 1, "image_id": image_id, "category_id": CATEGORY_IDS[item.name]}
            annotations.append(entry)
    categories = [{"id": number, "name": label, "supercategory": "shape"} for label, number in CATEGORY_IDS.items()]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / f"instances_{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _jpeg(scene: Scene) -> bytes:
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    return encoded.tobytes()


def _annotation(visible: npt.NDArray[np.bool_], crowd: bool) -> dict[str, Any]:
    """COCO's fields of what is visible: polygons, or RLE for crowds and for what has holes."""
    bitmap = visible.astype(np.uint8) if crowd else _without_specks(visible.astype(np.uint8))
    polygons = None if crowd else _outline(bitmap)
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    return {
        "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y],
        "area": int(bitmap.sum()),
        "iscrowd": int(crowd),
        "segmentation": polygons or _encoded(bitmap),
    }


def _without_specks(bitmap: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Without the parts that are too small to outline: what peeps out between two shapes that hide the object."""
    _, parts, statistics, _ = cv2.connectedComponentsWithStats(bitmap, connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= MIN_PART_AREA
    large[0] = False  # the background
    return large[parts].astype(np.uint8) if large.any() else bitmap


def _outline(bitmap: npt.NDArray[np.uint8]) -> list[list[float]] | None:
    """Polygons around the parts of a bitmap; None where a part has a hole, which polygons cannot have."""
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


def _encoded(bitmap: npt.NDArray[np.uint8]) -> dict[str, Any]:
    rle = coco_mask.encode(np.asfortranarray(bitmap))
    return {"size": list(bitmap.shape), "counts": rle["counts"].decode("ascii")}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mindrcnn.datasets.demo", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the data set")
    parser.add_argument("--train-images", type=int, default=1000, help="training images (default %(default)s)")
    parser.add_argument("--val-images", type=int, default=100, help="validation images (default %(default)s)")
    parser.add_argument("--size", type=int, default=192, help="mean image side, pixels (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed (default %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns its exit status."""
    options = _arguments(argv)
    try:
        make_demo(
            options.folder,
            train_images=options.train_images,
            val_images=options.val_images,
            size=options.size,
            seed=options.seed,
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.folder}: {options.train_images} training and {options.val_images} validation images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
