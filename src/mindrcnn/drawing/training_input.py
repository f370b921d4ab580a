"""Pictures of a training batch: what the network gets of its images after augmentation, resizing and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.batching.batch import Batch
from mindrcnn.data.image_io import RGBImage
from mindrcnn.drawing.objects import PAIR_SIDE, DrawnObject, draw_objects, with_heading
from mindrcnn.evaluation.paste import Rle, compress, paste_window, window_counts

ChannelOrder = Literal["rgb", "bgr"]

STRIPE = 12  # pixels from one stripe of the padding to the next
STRIPES = ((70, 70, 70), (100, 100, 100))  # no image looks like that, as it might look like black
VALID_EDGE = (255, 255, 255)


def draw_input(
    batch: Batch, index: int, class_names: Sequence[str], *, channel_order: ChannelOrder, longest: int
) -> RGBImage:
    """Draws one image of a batch with its boxes and mask targets; the padding around its valid area is striped.

    batch: the batch.
    index: the image's place in it.
    class_names: class_names[label - 1] names a label.
    channel_order: the order of the channels in the batch.
    longest: longest side of the picture in pixels; small inputs are enlarged.
    """
    pixels = batch.images[index].transpose(1, 2, 0)
    image = np.ascontiguousarray(pixels if channel_order == "rgb" else pixels[..., ::-1])
    height, width = image.shape[:2]
    factor = scale_of(image, longest)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)
    valid_height, valid_width = (max(1, round(int(side) * factor)) for side in batch.image_sizes[index])
    return draw_objects(
        _with_padding(picture, valid_height, valid_width), _objects(batch, index, picture.shape[:2]), class_names
    )


def scale_of(image: RGBImage, longest: int) -> float:
    """Returns the factor that shows an image at no more than `longest` pixels, and a small one enlarged."""
    side = max(image.shape[:2])
    return longest / side if side > longest else float(max(1, min(longest, PAIR_SIDE) // side))


def draw_batch(
    batch: Batch, class_names: Sequence[str], *, channel_order: ChannelOrder, most: int = 8, longest: int = 640
) -> RGBImage:
    """Draws the images of a batch side by side and below one another, each with a heading.

    batch: the batch.
    class_names: class_names[label - 1] names a label.
    channel_order: the order of the channels in the batch.
    most: images to draw; further ones are left out.
    longest: longest side of each image in pixels.
    """
    count = min(most, len(batch.image_ids))
    cells = []
    for index in range(count):
        picture = draw_input(batch, index, class_names, channel_order=channel_order, longest=longest)
        (height, width), objects = batch.image_sizes[index].tolist(), int(batch.gt_valid[index].sum())
        cells.append(with_heading(picture, f"image {batch.image_ids[index]}: {height} x {width}, {objects} objects"))
    columns = math.ceil(math.sqrt(count))
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-count % columns)
    rows = [_join(cells[start : start + columns], axis=1) for start in range(0, len(cells), columns)]
    return _join(rows, axis=0)


def _objects(batch: Batch, index: int, size: tuple[int, ...]) -> list[DrawnObject]:
    """Returns the objects and crowds of an image in the pixels of a picture of another size (h, w)."""
    height, width = size
    used = np.flatnonzero(batch.gt_valid[index] | batch.gt_crowd[index])
    factors = np.array([width / batch.images.shape[3], height / batch.images.shape[2]] * 2, dtype=np.float32)
    boxes, masks = batch.gt_boxes[index][used] * factors, batch.gt_masks[index][used]
    has_mask = masks.any(axis=(1, 2)) if masks.shape[-1] > 1 else np.zeros(len(used), dtype=bool)
    packed = iter(_paste(masks[has_mask].astype(np.float32), boxes[has_mask], height, width))
    return [
        DrawnObject(
            box=tuple(box),
            label=int(batch.gt_labels[index, slot]),
            rle=next(packed) if shown else None,
            crowd=bool(batch.gt_crowd[index, slot]),
        )
        for slot, box, shown in zip(used, boxes.tolist(), has_mask, strict=True)
    ]


def _paste(masks: NDArray[np.float32], boxes: NDArray[np.float32], height: int, width: int) -> list[Rle]:
    """Pastes masks (N, R, R) by their boxes (N, 4); without the kernels, which a look at the data need not build."""
    counts = []
    for mask, box in zip(masks, boxes, strict=True):
        window, left, top = paste_window(mask, box, height=height, width=width, thresh=0.5)
        counts.append(window_counts(window, left=left, top=top, height=height, width=width))
    return compress(counts, height=height, width=width)


def _with_padding(picture: RGBImage, height: int, width: int) -> RGBImage:
    """Returns the picture with stripes outside its valid area (h, w), and a line along the edge of that."""
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    outside: NDArray[np.bool_] = (rows >= height) | (columns >= width)
    if not outside.any():
        return picture
    stripes = np.array(STRIPES, dtype=np.uint8)[(rows + columns) // STRIPE % 2]
    result = np.where(outside[..., None], stripes, picture)
    cv2.line(result, (0, height), (width, height), VALID_EDGE)
    cv2.line(result, (width, 0), (width, height), VALID_EDGE)
    return result


def _join(parts: Sequence[RGBImage], *, axis: int) -> RGBImage:
    """Joins pictures of the same size with a white gap."""
    shape = list(parts[0].shape)
    shape[axis] = max(4, shape[axis] // 100)
    gap = np.full(shape, 255, dtype=np.uint8)
    joined = [piece for part in parts for piece in (gap, part)][1:]
    return np.concatenate(joined, axis=axis)
