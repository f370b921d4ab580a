"""The kernels that add an enlarged map, as MindSpore operators."""

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
    """ops.upsample.add_upsampled."""
    return _AddUpsampled()(fine, coarse)
