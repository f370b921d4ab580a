"""Padded batches, the form in which images and objects reach the network.

B is the number of images, G of ground-truth slots, R the side of the stored masks, (H, W) the padded bucket. Images are
padded with zeros at the bottom and right; unused slots are zero. The model, not the batch, normalises pixel values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from mindrcnn.data.batching.buckets import Bucket, padded_size
from mindrcnn.data.image_io import ImageSource, RGBImage
from mindrcnn.data.transforms.resize import fitted_size, resize_image
from mindrcnn.data.transforms.target import Target

Images = npt.NDArray[np.uint8]  # (B, 3, H, W)


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """The network's input.

    buckets: sizes (h, w) that images are resized into.
    short_side: target length of the short side in pixels.
    channel_order: order of the colour channels.
    keep_ratio: whether images keep their ratio of sides; if not, they fill their bucket.
    """

    buckets: tuple[Bucket, ...]
    short_side: int
    channel_order: Literal["rgb", "bgr"] = "rgb"
    keep_ratio: bool = True


@dataclass(frozen=True, kw_only=True)
class ObjectFormat:
    """Ground-truth slots per image (G), and side of the stored masks (R; 1 for a model without a mask branch)."""

    max_objects: int
    mask_side: int


@dataclass(frozen=True, eq=False)
class Batch:
    """A training batch; boxes are xyxy in pixels of the network's input."""

    images: Images  # (B, 3, H, W) in the configured channel order
    image_sizes: npt.NDArray[np.int32]  # (B, 2) valid (h, w)
    gt_boxes: npt.NDArray[np.float32]  # (B, G, 4)
    gt_labels: npt.NDArray[np.int32]  # (B, G) 1..K, 0 in unused slots
    gt_valid: npt.NDArray[np.bool_]  # (B, G) true for an object that is not a crowd
    gt_crowd: npt.NDArray[np.bool_]  # (B, G) true for an ignore region
    gt_masks: npt.NDArray[np.uint8]  # (B, G, R, R) 0/1 in the frame of the object's box, zero for crowds
    image_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class EvalBatch:
    """An inference batch: S images, and images of zeros that fill it up to B."""

    images: Images  # (B, 3, H, W)
    image_sizes: npt.NDArray[np.int32]  # (B, 2) valid (h, w)
    sources: tuple[ImageSource, ...]  # (S,)
    original_sizes: tuple[tuple[int, int], ...]  # (S,) (h, w) of the image as read, after EXIF rotation


@dataclass(frozen=True, eq=False)
class AugmentedImage:
    """One augmented training image (RGB) with at most G objects."""

    image_id: int
    image: RGBImage
    target: Target
    masks: npt.NDArray[np.uint8]  # (N, R, R)


def limit_objects(target: Target, limit: int, rng: np.random.Generator) -> Target:
    """Returns at most `limit` objects, chosen at random, in their original order."""
    if len(target) <= limit:
        return target
    return target.select(np.sort(rng.choice(len(target), size=limit, replace=False)))


def training_batch(
    augmented: Sequence[AugmentedImage], *, bucket: Bucket, channel_order: Literal["rgb", "bgr"], objects: ObjectFormat
) -> Batch:
    """Pads the images to `bucket` and their objects to G slots."""
    images, image_sizes = pad_images([one.image for one in augmented], bucket=bucket, channel_order=channel_order)
    slots = (len(augmented), objects.max_objects)
    boxes = np.zeros((*slots, 4), dtype=np.float32)
    labels = np.zeros(slots, dtype=np.int32)
    crowd = np.zeros(slots, dtype=bool)
    masks = np.zeros((*slots, objects.mask_side, objects.mask_side), dtype=np.uint8)
    for index, one in enumerate(augmented):
        count = len(one.target)
        boxes[index, :count] = one.target.boxes
        labels[index, :count] = one.target.labels
        crowd[index, :count] = one.target.crowd
        masks[index, :count] = one.masks
    return Batch(
        images=images,
        image_sizes=image_sizes,
        gt_boxes=boxes,
        gt_labels=labels,
        gt_valid=(labels > 0) & ~crowd,
        gt_crowd=crowd,
        gt_masks=masks,
        image_ids=tuple(one.image_id for one in augmented),
    )


def evaluation_batch(
    sources: Sequence[ImageSource], *, bucket: Bucket, batch_size: int, input_format: InputFormat
) -> EvalBatch:
    """Resizes and pads images of any size to `bucket`, and fills the batch up to `batch_size` with zeros.

    Raises InputError for an image that cannot be read.
    """
    images = [source.image() for source in sources]
    originals = [(image.shape[0], image.shape[1]) for image in images]
    short_side, keep_ratio = input_format.short_side, input_format.keep_ratio
    sizes = [fitted_size(*size, short_side=short_side, bucket=bucket, keep_ratio=keep_ratio) for size in originals]
    resized = [resize_image(image, size) for image, size in zip(images, sizes, strict=True)]
    missing = batch_size - len(resized)
    filler = np.zeros((*bucket, 3), dtype=np.uint8)
    padded, image_sizes = pad_images(
        resized + [filler] * missing, bucket=bucket, channel_order=input_format.channel_order
    )
    return EvalBatch(
        images=padded,
        image_sizes=image_sizes,
        sources=tuple(sources),
        original_sizes=tuple(originals),
    )


def pad_images(
    images: Sequence[RGBImage], *, bucket: Bucket, channel_order: Literal["rgb", "bgr"]
) -> tuple[Images, npt.NDArray[np.int32]]:
    """Pads RGB images (h, w, 3) no larger than the bucket; returns them as (B, 3, H, W) with their sizes (B, 2).

    (H, W) is the bucket, padded to the network's stride.
    """
    padded = np.zeros((len(images), 3, *padded_size(bucket)), dtype=np.uint8)
    order = (0, 1, 2) if channel_order == "rgb" else (2, 1, 0)
    for image, planes in zip(images, padded, strict=True):
        height, width = image.shape[:2]
        # extractChannel writes straight into the plane; a transposed copy by numpy takes ten times as long
        for plane, channel in zip(planes, order, strict=True):
            cv2.extractChannel(image, channel, plane[:height, :width])
    sizes = np.array([image.shape[:2] for image in images], dtype=np.int32).reshape(-1, 2)
    return padded, sizes
