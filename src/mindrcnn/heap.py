"""Memory that compiling leaves behind."""

import ctypes

from mindspore import nn


def give_back_after_compiling(cell: nn.Cell, compiled_before: int) -> None:
    """Returns free memory to the system where `cell` has more compiled graphs than before.

    Compiling a training step leaves half a gigabyte in free pieces between others, which the large blocks of its first
    run do not fit into, and which glibc gives back only when asked.
    """
    if len(cell.compile_cache) > compiled_before:
        process = ctypes.CDLL(None)
        if hasattr(process, "malloc_trim"):  # glibc
            process.malloc_trim(0)
