"""Kernels that get no memory for their own use, called without MindSpore; prints what each returns."""

import ctypes
import resource
import sys
from pathlib import Path

import numpy as np

MARGIN = 64 << 20  # bytes, less than each of the kernels takes
LENGTH = 4_000_000


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MARGIN
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


library = ctypes.CDLL(sys.argv[1])
arrays = [
    np.zeros((2, LENGTH, 4), np.float32),
    np.zeros((2, LENGTH), np.float32),
    np.ones((2, LENGTH), bool),
    np.array([0.5], np.float32),
    np.zeros((2, LENGTH), bool),
]
shapes = [(ctypes.c_int64 * array.ndim)(*array.shape) for array in arrays]
tensors = (
    len(arrays),
    (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays)),
    (ctypes.c_int * len(arrays))(*(array.ndim for array in arrays)),
    (ctypes.POINTER(ctypes.c_int64) * len(arrays))(*(ctypes.cast(s, ctypes.POINTER(ctypes.c_int64)) for s in shapes)),
    (ctypes.c_char_p * len(arrays))(*(array.dtype.name.encode() for array in arrays)),
)
limit_memory()
print(library.nms(*tensors, None, None), flush=True)

masks = np.ones((1, 2, 2), np.float32)
boxes = np.array([[0, 0, 4, 1e9]], np.float32)
library.encode_masks.restype = ctypes.c_int64
sizes = (ctypes.c_int64(size) for size in (1, 2, 10**9, 4))
pointers = (ctypes.c_void_p(array.ctypes.data) for array in (masks, boxes))
print(library.encode_masks(*pointers, *sizes, ctypes.c_double(0.5), None, ctypes.c_int64(0)), flush=True)
