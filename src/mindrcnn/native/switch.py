"""The decision whether functions in `ops` use the kernels, made whenever a graph is compiled or an operator called."""

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms

from mindrcnn.native.library import available

_portable_depth = 0


@ms.constexpr(reuse_result=False)
def in_use() -> bool:
    """Returns True on a CPU where the kernels are available, unless portable_only() rules them out."""
    if _portable_depth or ms.get_context("device_target") != "CPU":
        return False
    return available()


@contextmanager
def portable_only() -> Iterator[None]:
    """Restricts graphs compiled in this block to MindSpore's own operators, for files that other machines run."""
    global _portable_depth
    _portable_depth += 1
    try:
        yield
    finally:
        _portable_depth -= 1
