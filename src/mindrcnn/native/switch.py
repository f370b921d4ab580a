"""Whether the kernels serve behind the functions of `ops`: asked in one place, each time that a graph is compiled or an
operator is called."""

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms

from mindrcnn.native.library import available

_portable_depth = 0


@ms.constexpr(reuse_result=False)
def in_use() -> bool:
    """True on a CPU where the kernels are available, unless portable_only() rules them out."""
    if _portable_depth or ms.get_context("device_target") != "CPU":
        return False
    return available()


@contextmanager
def portable_only() -> Iterator[None]:
    """Graphs compiled in this block hold MindSpore's own operators alone, as a file for other machines has to."""
    global _portable_depth
    _portable_depth += 1
    try:
        yield
    finally:
        _portable_depth -= 1
