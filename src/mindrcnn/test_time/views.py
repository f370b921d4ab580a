"""Views of an input batch: the images at another scale and mirrored, and the way of boxes and masks to and from there.

As in detectron2's DatasetMapperTTA, a view is made of the image as it would enter the network, not of the file. B is
the number of images, N of boxes; sizes are (h, w) before padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.batching.buckets import padded_size
from mindrcnn.data.transforms.resize import resize_image

Flip = Literal["horizontal", "vertical"]
Sizes = NDArray[np.int32]
Size = Sequence[int] | NDArray[np.int32]  # (h, w)


@dataclass(frozen=True, kw_only=True)
class View:
    """An image scaled, then mirrored.

    scale: factor of both sides.
    flip: the direction in which it is mirrored; None for none.
    """

    scale: float = 1.0
    flip: Flip | None = None

    def images(self, images: NDArray[np.uint8], sizes: Sizes) -> tuple[NDArray[np.uint8], Sizes]:
        """Returns the images (B, 3, H, W) of the view, padded with zeros, and their sizes (B, 2)."""
        shape = padded_size((scaled(images.shape[2], self.scale), scaled(images.shape[3], self.scale)))
        view = np.zeros((*images.shape[:2], *shape), np.uint8)
        view_sizes = np.array([[scaled(side, self.scale) for side in size] for size in sizes.tolist()], np.int32)
        for image, own, (height, width), target in zip(images, sizes, view_sizes, view, strict=True):
            content = np.ascontiguousarray(image[:, : own[0], : own[1]].transpose(1, 2, 0))
            resized = resize_image(content, (int(height), int(width)))
            target[:, :height, :width] = self.mirror(resized.transpose(2, 0, 1))
        return view, view_sizes

    def mirror(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Returns images or masks (..., H, W) mirrored; twice gives the original."""
        return {"horizontal": pixels[..., ::-1], "vertical": pixels[..., ::-1, :], None: pixels}[self.flip]

    def boxes_to(self, boxes: NDArray[np.float32], size: Size, view_size: Size) -> NDArray[np.float32]:
        """Returns boxes (N, 4) of an image of `size` in the pixels of its view, whose size is `view_size`."""
        return self._mirror_boxes(stretched(boxes, size, view_size), view_size)

    def boxes_from(self, boxes: NDArray[np.float32], size: Size, view_size: Size) -> NDArray[np.float32]:
        """Returns boxes (N, 4) of the view in the pixels of the image, clipped to it."""
        height, width = size
        moved = stretched(self._mirror_boxes(boxes, view_size), view_size, size)
        return np.clip(moved, 0, np.array([width, height] * 2, np.float32))

    def _mirror_boxes(self, boxes: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
        height, width = size
        x_low, y_low, x_high, y_high = boxes.T
        columns = {
            "horizontal": (width - x_high, y_low, width - x_low, y_high),
            "vertical": (x_low, height - y_high, x_high, height - y_low),
            None: (x_low, y_low, x_high, y_high),
        }[self.flip]
        return np.stack(columns, axis=1).astype(np.float32)


def scaled(side: int, scale: float) -> int:
    """Returns a side of an image times a scale, a whole number above 0."""
    return max(int(side * scale + 0.5), 1)


def stretched(boxes: NDArray[np.float32], size: Size, other: Size) -> NDArray[np.float32]:
    """Returns boxes (N, 4) of an image of one size in the pixels of the same at another size."""
    (height, width), (other_height, other_width) = size, other
    return (boxes * np.array([other_width / width, other_height / height] * 2)).astype(np.float32)
