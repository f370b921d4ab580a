"""Memory that compiling leaves behind."""

import ctypes
from typing import Any

from mindspore import Tensor, nn


class TrimmedCell(nn.Cell):
    """A Cell that returns free memory to the system whenever it has compiled a graph.

    Compiling a training step leaves half a gigabyte in free pieces between others, which the large blocks of its first
    run do not fit into, and which glibc gives back only when asked.
    """

    def compile(self, *batch: Tensor, **settings: Any) -> None:
        """As of nn.Cell, which also calls it before each run."""
        before = len(self.compile_cache)
        super().compile(*batch, **settings)
        if len(self.compile_cache) > before:
            process = ctypes.CDLL(None)
            if hasattr(process, "malloc_trim"):  # glibc
                process.malloc_trim(0)
