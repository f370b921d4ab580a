"""Means over the processes of one machine, through memory that they share, as a MindSpore operator."""

import ctypes
import mmap

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library, opened

# How long a process waits for the others: the first one may be writing a checkpoint to a slow disk.
PATIENCE = 300.0  # seconds

_joined: list[mmap.mmap] = []  # stay mapped as long as the library may use them


class _AverageOverProcesses(ops.Custom):
    """Called with tensors of any shape; returns their means over the processes."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        one = len(shapes) == 1
        dtypes = ms.float32 if one else (ms.float32,) * len(shapes)
        super().__init__(f"{library()}:average_over_processes", shapes[0] if one else shapes, dtypes, "aot")
        self.add_prim_attr("shapes", shapes)  # the reason is in roi_align.py


def exchange_bytes(processes: int) -> int:
    """Returns the size of the memory that so many processes need."""
    function = opened(library()).exchange_bytes
    function.restype = ctypes.c_int64
    return int(function(processes))


def join_exchange(memory: mmap.mmap, *, rank: int, processes: int, patience: float = PATIENCE) -> None:
    """Makes this process one of those that `native_average` averages over.

    memory: exchange_bytes(processes) bytes, zeros before the first process joins, and the same for all.
    rank: this process's number among `processes`.
    patience: seconds after which `native_average` fails if another process does not call it too.
    """
    _joined.append(memory)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    opened(library()).join_exchange(ctypes.c_void_p(address), rank, processes, ctypes.c_double(patience))


def native_average(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Computes engine.distributed.collectives.AverageGradients."""
    means = _AverageOverProcesses(tuple(tensor.shape for tensor in tensors))(*tensors)
    return means if len(tensors) > 1 else (means,)
