"""The kernels that enlarge maps twice and halve them, as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]


class _AddUpsampled(ops.Custom):
    """Call with fine [B, C, 2H, 2W] and coarse [B, C, H, W]; returns the shape of fine."""

    def __init__(self) -> None:
        def out_shape(fine: Shape, coarse: Shape) -> Shape:
            return fine

        def bprop(fine, coarse, out, dout):  # type: ignore[no-untyped-def]
            return dout, _SumOfFour()(dout)

        super().__init__(f"{library()}:add_upsampled", out_shape, ms.float32, "aot", bprop)


class _SumOfFour(ops.Custom):
    """Call with the gradient of the sum; returns that of coarse."""

    def __init__(self) -> None:
        def out_shape(fine: Shape) -> Shape:
            return fine[0], fine[1], fine[2] // 2, fine[3] // 2

        super().__init__(f"{library()}:sum_of_four", out_shape, ms.float32, "aot")


def native_add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    """ops.conv.add_upsampled."""
    return _AddUpsampled()(fine, coarse)


class _EverySecond(ops.Custom):
    """Call with x [B, C, H, W]; returns [B, C, H/2, W/2], sides rounded up."""

    def __init__(self) -> None:
        def out_shape(x: Shape) -> Shape:
            return x[0], x[1], (x[2] + 1) // 2, (x[3] + 1) // 2

        def bprop(x, out, dout):  # type: ignore[no-untyped-def]
            return (_Spread(x.shape)(dout),)

        super().__init__(f"{library()}:every_second", out_shape, ms.float32, "aot", bprop)


class _Spread(ops.Custom):
    """Call with the gradient of every second pixel; returns that of x, of this shape."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:spread", shape, ms.float32, "aot")


def native_every_second(x: Tensor) -> Tensor:
    """Every second pixel of every second row of x, from the first on."""
    return _EverySecond()(x)
