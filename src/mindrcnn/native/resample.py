"""Kernels that upsample maps by two and halve them, as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]


class _AddUpsampled(ops.Custom):
    """Operator that adds coarse (B, C, H, W), upsampled by two, to fine (B, C, 2H, 2W)."""

    def __init__(self) -> None:
        def out_shape(fine: Shape, coarse: Shape) -> Shape:
            return fine

        def bprop(fine, coarse, out, dout):  # type: ignore[no-untyped-def]
            return dout, _SumOfFour()(dout)

        super().__init__(f"{library()}:add_upsampled", out_shape, ms.float32, "aot", bprop)


class _SumOfFour(ops.Custom):
    """Operator from the gradient of the sum to that of coarse."""

    def __init__(self) -> None:
        def out_shape(fine: Shape) -> Shape:
            return fine[0], fine[1], fine[2] // 2, fine[3] // 2

        super().__init__(f"{library()}:sum_of_four", out_shape, ms.float32, "aot")


def native_add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    """Computes ops.conv.add_upsampled."""
    return _AddUpsampled()(fine, coarse)


class _EverySecond(ops.Custom):
    """Operator that returns every second pixel of x (B, C, H, W), (B, C, H/2, W/2), sides rounded up."""

    def __init__(self) -> None:
        def out_shape(x: Shape) -> Shape:
            return x[0], x[1], (x[2] + 1) // 2, (x[3] + 1) // 2

        def bprop(x, out, dout):  # type: ignore[no-untyped-def]
            return (_Spread(x.shape)(dout),)

        super().__init__(f"{library()}:every_second", out_shape, ms.float32, "aot", bprop)


class _Spread(ops.Custom):
    """Operator from the gradient of every second pixel to that of x, which has the given shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:spread", shape, ms.float32, "aot")


def native_every_second(x: Tensor) -> Tensor:
    """Returns every second pixel of every second row of x, starting with the first."""
    return _EverySecond()(x)
