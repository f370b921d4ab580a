"""The point-sampling kernels as MindSpore operators."""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.library import library

Shape = tuple[int, ...]


class _PointSample(ops.Custom):
    """Operator that returns samples (N, P, C) float32; the gradient flows to the maps.

    maps: (M, C, H, W) float32 or uint8.
    map_index: (N,) int32.
    points: (N, P, 2) float32.
    """

    def __init__(self) -> None:
        def out_shape(maps: Shape, map_index: Shape, points: Shape) -> Shape:
            return points[0], points[1], maps[1]

        def bprop(maps, map_index, points, out, dout):  # type: ignore[no-untyped-def]
            gradient = _PointSampleGradient(maps.shape)(dout, map_index, points)
            return gradient, ops.zeros_like(map_index), ops.zeros_like(points)

        super().__init__(f"{library()}:point_sample_forward", out_shape, ms.float32, "aot", bprop)


class _PointSampleGradient(ops.Custom):
    """Operator from the samples' gradient, map_index and points to the maps' gradient."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(f"{library()}:point_sample_backward", shape, ms.float32, "aot")
        self.add_prim_attr("shape", shape)  # see _RoiAlign in roi_align.py


def native_sample_maps(maps: Tensor, map_index: Tensor, points: Tensor) -> Tensor:
    """Computes ops.point_sample.sample_maps without a table of the maps' cells."""
    if maps.dtype == ms.uint8:
        maps = ops.stop_gradient(maps)
    map_index, points = ops.stop_gradient(map_index.astype(ms.int32)), ops.stop_gradient(points)
    return _PointSample()(maps, map_index, points)
