"""The compiled library, opened once. Nothing here needs MindSpore."""

import ctypes
import functools
import logging
import os

from mindrcnn.errors import InputError
from mindrcnn.native.build import build

logger = logging.getLogger(__name__)

VARIABLE = "MINDRCNN_NATIVE"


def available() -> bool:
    """Returns True if the kernels are built, unless MINDRCNN_NATIVE=0 rules them out."""
    return os.environ.get(VARIABLE) != "0" and bool(library())


@functools.cache
def library() -> str:
    """Returns the library's path, built at the first call; empty, after one warning, if that is not possible."""
    try:
        path = str(build())
        if ":" in path:  # which MindSpore takes for the end of the path
            raise InputError(f"wanted a cache folder without a colon in its path: set MINDRCNN_CACHE; got {path}")
        opened(path)
    except (InputError, OSError) as error:
        logger.warning("native kernels are not available, using the slower portable operators: %s", error)
        return ""
    return path


@functools.cache
def opened(path: str) -> ctypes.CDLL:
    """Opens the library at this path and keeps it open for the life of the process. Raises OSError on failure.

    MindSpore closes it with its last operator, which OpenMP's threads do not survive.
    """
    return ctypes.CDLL(path)
