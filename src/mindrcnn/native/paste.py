"""Mask pasting and run-length encoding in C++, called without MindSpore."""

import ctypes
import functools

import numpy as np
from numpy.typing import NDArray

from mindrcnn.native.library import library, opened

_CHARACTERS = 4096  # initial room per mask: smooth masks take a few hundred


def native_encode_masks(
    masks: NDArray[np.float32], boxes: NDArray[np.float32], *, height: int, width: int, thresh: float
) -> list[str]:
    """Returns COCO's compressed counts for evaluation.paste.encode_masks."""
    masks, boxes = np.ascontiguousarray(masks, np.float32), np.ascontiguousarray(boxes, np.float32)
    count, side = masks.shape[:2]
    if masks.shape != (count, side, side) or boxes.shape != (count, 4):
        raise ValueError(f"wanted masks (D, M, M) and boxes (D, 4), got {masks.shape} and {boxes.shape}")
    function = opened(library()).encode_masks
    function.restype = ctypes.c_int64
    pointers = masks.ctypes.data_as(ctypes.c_void_p), boxes.ctypes.data_as(ctypes.c_void_p)
    sizes = (ctypes.c_int64(size) for size in (count, side, height, width))
    encode = functools.partial(function, *pointers, *sizes, ctypes.c_double(thresh))
    text = ctypes.create_string_buffer(_CHARACTERS * count)
    while (needed := encode(text, ctypes.c_int64(len(text)))) > len(text):
        text = ctypes.create_string_buffer(needed)
    if needed < 0:
        raise MemoryError("the masks' run lengths do not fit into memory")
    return text.raw[:needed].decode("ascii").splitlines()
