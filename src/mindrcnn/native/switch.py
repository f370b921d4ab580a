"""Whether the kernels are in use: asked in one place, each time that a graph is compiled or an operator is called."""

import ctypes
import functools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms

from mindrcnn.errors import InputError
from mindrcnn.native.build import build

logger = logging.getLogger(__name__)

VARIABLE = "MINDRCNN_NATIVE"

_portable_depth = 0


@ms.constexpr(reuse_result=False)
def in_use() -> bool:
    """True on a CPU with the kernels built, unless MINDRCNN_NATIVE=0 or portable_only() rules them out."""
    if _portable_depth or os.environ.get(VARIABLE) == "0" or ms.get_context("device_target") != "CPU":
        return False
    return bool(library())


@contextmanager
def portable_only() -> Iterator[None]:
    """Graphs compiled in this block hold MindSpore's own operators alone, as a file for other machines has to."""
    global _portable_depth
    _portable_depth += 1
    try:
        yield
    finally:
        _portable_depth -= 1


@functools.cache
def library() -> str:
    """Path of the library, built at the first call; empty, after one warning, where that is not possible."""
    try:
        path = str(build())
        if ":" in path:  # which MindSpore takes for the end of the path
            raise InputError(f"wanted a cache folder without a colon in its path: set XDG_CACHE_HOME; got {path}")
        _keep_open(path)
    except (InputError, OSError) as error:
        logger.warning("no native kernels, the slower portable operators serve instead: %s", error)
        return ""
    return path


@functools.cache
def _keep_open(path: str) -> ctypes.CDLL:
    """Loads the library for the life of the process. MindSpore closes it with its last operator, and OpenMP's threads
    do not survive that. Raises OSError when it cannot be loaded."""
    return ctypes.CDLL(path)
