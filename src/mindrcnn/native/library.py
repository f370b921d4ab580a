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
    """True with the kernels built, unless MINDRCNN_NATIVE=0 rules them out."""
    return os.environ.get(VARIABLE) != "0" and bool(library())


@functools.cache
def library() -> str:
    """Path of the library, built at the first call; empty, after one warning, where that is not possible."""
    try:
        path = str(build())
        if ":" in path:  # which MindSpore takes for the end of the path
            raise InputError(f"wanted a cache folder without a colon in its path: set MINDRCNN_CACHE; got {path}")
        opened(path)
    except (InputError, OSError) as error:
        logger.warning("no native kernels, the slower portable forms serve instead: %s", error)
        return ""
    return path


@functools.cache
def opened(path: str) -> ctypes.CDLL:
    """The library at this path, kept open for the life of the process. MindSpore closes it with its last operator, and
    OpenMP's threads do not survive that. Raises OSError when it cannot be loaded."""
    return ctypes.CDLL(path)
