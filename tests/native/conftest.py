"""The library's functions, called with numpy arrays as MindSpore calls them."""

import ctypes
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mindrcnn.native.build import build

Kernel = Callable[..., int]


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    return ctypes.CDLL(str(build()))


@pytest.fixture
def kernel(library: ctypes.CDLL) -> Kernel:
    """kernel(name, *inputs_and_outputs) -> the function's result, 0 on success."""

    def call(name: str, *arrays: np.ndarray) -> int:
        count = len(arrays)
        data = (ctypes.c_void_p * count)(*(array.ctypes.data for array in arrays))
        ranks = (ctypes.c_int * count)(*(array.ndim for array in arrays))
        rows = [(ctypes.c_int64 * array.ndim)(*array.shape) for array in arrays]
        shapes = (ctypes.POINTER(ctypes.c_int64) * count)(
            *(ctypes.cast(row, ctypes.POINTER(ctypes.c_int64)) for row in rows)
        )
        dtypes = (ctypes.c_char_p * count)(*(str(array.dtype).encode() for array in arrays))
        return getattr(library, name)(count, data, ranks, shapes, dtypes, None, None)

    return call


@pytest.fixture
def set_threads(library: ctypes.CDLL) -> Iterator[Callable[[int], None]]:
    """Sets the number of threads of kernels that this thread calls."""
    before = library.omp_get_max_threads()  # found through the library, which links OpenMP's own
    yield library.omp_set_num_threads
    library.omp_set_num_threads(before)
