"""Cells that are compiled as a whole."""

import ctypes
import threading
from typing import Any

from mindspore import Tensor, nn

from mindrcnn.graphs.identity import graph_key
from mindrcnn.graphs.store import graph_cache

_ONE_AT_A_TIME = threading.RLock()  # the cache's switch is one of the process


class CompiledCell(nn.Cell):
    """A Cell whose graph is taken from the cache if an earlier process has compiled the same one.

    Compiling a training step leaves half a gigabyte free in small pieces. The large blocks of the first run do not fit
    into them, and glibc returns them only when asked, as is done here.
    """

    def compile(self, *batch: Tensor, **settings: Any) -> None:
        """Compiles as nn.Cell does, which also calls this before each run."""
        shapes = self.training, *((value.shape, value.dtype) for value in batch)
        if shapes in self.__dict__.setdefault("compiled_shapes", set()):
            super().compile(*batch, **settings)
            return
        with _ONE_AT_A_TIME:
            cache = graph_cache()
            key = graph_key(self, batch) if cache is not None and not settings else None
            if cache is None or key is None:
                super().compile(*batch, **settings)
            else:
                with cache.reusing(key):
                    super().compile(*batch)
        self.compiled_shapes.add(shapes)
        process = ctypes.CDLL(None)
        if hasattr(process, "malloc_trim"):  # glibc
            process.malloc_trim(0)
