"""Error of mask targets cropped from box-relative masks against exact polygon rasterisation.

    python benchmarks/mask_targets.py path/to/instances_val2017.json [--side 28] [--boxes 4] [--objects 2000]

Each object's polygons are rasterised once in the frame of its tight box (the stored mask, R x R). Boxes around it,
drawn like proposals (IoU 0.5 to 1), get targets of side x side in two ways: cropped from the stored mask, and
rasterised from the polygons inside the box, as detectron2 does (structures/masks.py, rasterize_polygons_within_box).
Printed: the mean share of target pixels that differ, for several R; for one bilinear sample per bin and for the mean of
2 x 2; and for the package's crop_masks.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mindrcnn.ops.mask_targets import crop_masks

Array = NDArray[np.float64]

STORED_SIDES = (28, 56, 112, 224)
MIN_BOX_SIDE = 4.0  # pixels; smaller objects hardly train masks


def read_polygons(path: Path, limit: int) -> list[list[Array]]:
    """Returns the polygons, each (n, 2), of up to `limit` objects that are not crowds."""
    annotations = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    objects = [
        [np.asarray(part, np.float64).reshape(-1, 2) for part in annotation["segmentation"]]
        for annotation in annotations
        if not annotation.get("iscrowd") and isinstance(annotation["segmentation"], list)
    ]
    large = [parts for parts in objects if (np.ptp(np.concatenate(parts), axis=0) >= MIN_BOX_SIDE).all()]
    order = np.random.default_rng(0).permutation(len(large))[:limit]
    return [large[i] for i in order]


def rasterise(parts: list[Array], box: Array, side: int) -> NDArray[np.uint8]:
    scaled = [((part - box[:2]) * side / (box[2:] - box[:2])).reshape(-1) for part in parts]
    return np.asarray(coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(scaled, side, side))), np.uint8)


def tight_box(parts: list[Array]) -> Array:
    points = np.concatenate(parts)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def iou(a: Array, b: Array) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inter = float(np.prod(np.maximum(sides, 0)))
    return inter / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter)


def jitter(box: Array, rng: np.random.Generator) -> Array:
    """Returns a box with an IoU drawn evenly from 0.5..1, its corners moved in a random direction."""
    wanted = rng.uniform(0.5, 1.0)
    direction = rng.uniform(-0.5, 0.5, 4) * np.tile(box[2:] - box[:2], 2)
    near, far = 0.0, 1.0
    for _ in range(20):
        middle = (near + far) / 2
        near, far = (middle, far) if iou(box, box + middle * direction) > wanted else (near, middle)
    return box + near * direction


def crop(mask: NDArray[np.uint8], gt_box: Array, box: Array, side: int, samples: int) -> NDArray[np.bool_]:
    """Returns the target: the mean of samples x samples bilinear points per bin, thresholded at 0.5; 0 outside gt_box.

    mask: (R, R) uint8, in the frame of gt_box.
    gt_box, box: (4,) float64, pixels.
    side: side of the target.
    samples: points per bin along each axis.
    """
    points = (np.arange(side * samples) + 0.5) / (side * samples)
    weights = []
    for axis in (1, 0):
        share = (box[axis] + points * (box[axis + 2] - box[axis]) - gt_box[axis]) / (gt_box[axis + 2] - gt_box[axis])
        cell = np.clip(share * len(mask) - 0.5, 0, len(mask) - 1)
        hat = np.maximum(0, 1 - np.abs(cell[:, None] - np.arange(len(mask))))
        hat *= ((share >= 0) & (share <= 1))[:, None]
        weights.append(hat.reshape(side, samples, -1).mean(axis=1))
    result: NDArray[np.bool_] = weights[0] @ mask @ weights[1].T >= 0.5
    return result


def crop_with_package(masks: NDArray[np.uint8], gt_boxes: Array, boxes: Array, side: int) -> NDArray[np.bool_]:
    """Returns targets (objects, boxes, side, side) from crop_masks, with each object as an image of its own."""
    gt_masks, gt_boxes_32 = Tensor(masks[:, None]), Tensor(gt_boxes[:, None].astype(np.float32))
    matched = Tensor(np.zeros(boxes.shape[:2], np.int32))
    result: NDArray[np.bool_] = (
        crop_masks(gt_masks, gt_boxes_32, matched, Tensor(boxes.astype(np.float32)), side).asnumpy() >= 0.5
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--side", type=int, default=28, help="side of the targets")
    parser.add_argument("--boxes", type=int, default=4, help="boxes per object")
    parser.add_argument("--objects", type=int, default=2000, help="largest number of objects")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    objects = read_polygons(options.annotations, options.objects)
    gt_boxes = np.stack([tight_box(parts) for parts in objects])
    boxes = np.stack([[jitter(box, rng) for _ in range(options.boxes)] for box in gt_boxes])
    exact = np.stack(
        [
            [rasterise(parts, box, options.side) for box in object_boxes]
            for parts, object_boxes in zip(objects, boxes, strict=True)
        ]
    )
    print(f"{len(objects)} objects, {boxes.shape[0] * boxes.shape[1]} boxes, targets {options.side} x {options.side}")
    print("stored R   1 sample   2 x 2 samples   crop_masks")
    for stored in STORED_SIDES:
        masks = np.stack([rasterise(parts, box, stored) for parts, box in zip(objects, gt_boxes, strict=True)])
        shares = []
        for samples in (1, 2):
            cropped = np.stack(
                [
                    [crop(mask, gt_box, box, options.side, samples) for box in object_boxes]
                    for mask, gt_box, object_boxes in zip(masks, gt_boxes, boxes, strict=True)
                ]
            )
            shares.append(np.mean(cropped != exact))
        package = np.mean(crop_with_package(masks, gt_boxes, boxes, options.side) != exact)
        print(f"{stored:8}   {shares[0]:8.3%}   {shares[1]:13.3%}   {package:10.3%}")


if __name__ == "__main__":
    main()
