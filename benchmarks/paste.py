"""Time to paste 100 masks into an 800x1344 image and run-length encode them.

    python benchmarks/paste.py [--masks 100] [--side 28] [--repeats 10]

Compared: the package's C++ function; its numpy form; these pixels through a full-size bitmap and pycocotools' encoder;
pasting the full image for each mask (as done on accelerators), then that encoder. The second and the third must give
the same RLE; the pixels of the first that differ are counted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.evaluation.paste import axis_weights, paste_window
from mindrcnn.evaluation.rle import Rle, compress, decode, window_counts
from mindrcnn.native.library import available
from mindrcnn.native.paste import native_encode_masks

HEIGHT, WIDTH = 800, 1344


def make_objects(count: int, side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smooth blobs in boxes whose sides are spread as COCO's are: many small ones, a few as large as the image."""
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(12), np.log((WIDTH, HEIGHT)), (count, 2)))
    low = rng.uniform(0, 1, (count, 2)) * ((WIDTH, HEIGHT) - size)
    noise = rng.normal(size=(count, side, side))
    smooth = [cv2.GaussianBlur(image, (0, 0), side / 8) for image in noise]
    masks = np.stack([0.5 + 0.4 * image / np.abs(image).max() for image in smooth])
    return masks.astype(np.float32), np.concatenate([low, low + size], axis=1).astype(np.float32)


def native(masks: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[str]:
    return native_encode_masks(masks, boxes, height=HEIGHT, width=WIDTH, thresh=0.5)


def windows(masks: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[str]:
    counts = []
    for mask, box in zip(masks, boxes, strict=True):
        window, left, top = paste_window(mask, box, height=HEIGHT, width=WIDTH, thresh=0.5)
        counts.append(window_counts(window, left=left, top=top, height=HEIGHT, width=WIDTH))
    return [rle["counts"] for rle in compress(counts, height=HEIGHT, width=WIDTH)]


def window_to_bitmap(masks: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[str]:
    strings = []
    for mask, box in zip(masks, boxes, strict=True):
        pixels, left, top = paste_window(mask, box, height=HEIGHT, width=WIDTH, thresh=0.5)
        bitmap = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
        bitmap[top : top + pixels.shape[1], left : left + pixels.shape[0]] = pixels.T
        strings.append(mask_api.encode(bitmap)["counts"].decode())
    return strings


def full_size(masks: NDArray[np.float32], boxes: NDArray[np.float32]) -> list[str]:
    strings = []
    for mask, (x_low, y_low, x_high, y_high) in zip(masks, boxes.astype(float), strict=True):
        by_row = axis_weights(0, HEIGHT, y_low, y_high, len(mask)) @ mask
        pixels = by_row @ axis_weights(0, WIDTH, x_low, x_high, len(mask)).T >= 0.5
        strings.append(mask_api.encode(np.asfortranarray(pixels.view(np.uint8)))["counts"].decode())
    return strings


def differing_pixels(ours: list[str], others: list[str]) -> int:
    bitmaps = ([decode(Rle(size=[HEIGHT, WIDTH], counts=text)) for text in texts] for texts in (ours, others))
    return sum(int((a != b).sum()) for a, b in zip(*bitmaps, strict=True))


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Best of `repeats`."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    masks, boxes = make_objects(options.masks, options.side)
    if windows(masks, boxes) != window_to_bitmap(masks, boxes):
        raise SystemExit("window RLE differs from the full bitmap's")
    share = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).mean() / (HEIGHT * WIDTH)
    print(f"{options.masks} masks of {options.side}x{options.side} into {HEIGHT}x{WIDTH}, mean box {share:.1%} of it")
    if not available():
        raise SystemExit("the native kernels are not in use here")
    differing = differing_pixels(native(masks, boxes), windows(masks, boxes))
    print(f"{differing} pixels on the other side of the threshold in C++")
    for name, function in (
        ("window in C++ (used)", native),
        ("window, RLE shifted (used without it)", windows),
        ("window, full bitmap, pycocotools encode", window_to_bitmap),
        ("full-size paste, pycocotools encode", full_size),
    ):
        print(f"{name:42s} {milliseconds(lambda f=function: f(masks, boxes), options.repeats):9.1f} ms")


if __name__ == "__main__":
    main()
