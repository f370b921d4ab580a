"""The two layouts of an exported graph: one for any batch and size, one with fixed shapes throughout."""

from collections.abc import Callable
from dataclasses import dataclass

from mindrcnn.models.layers import RoiPooler
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.graph import INT64, Graph, Size, Value
from mindrcnn.onnx_export.pooling import pool_by_level, pool_on_all_levels


@dataclass(frozen=True)
class Layout:
    """The choices that decide whether shapes depend on values.

    pool: adds ROIAlign, as `pool_by_level` does.
    count_slots: given valid (B, D) bool, and D, returns how many detection slots a mask branch computes.
    """

    pool: Callable[[Graph, RoiPooler, Pyramid, Value, Value, Size], Value]
    count_slots: Callable[[Graph, Value, Size], Size]


def used_slots(graph: Graph, valid: Value, slots: Size) -> Size:
    """Returns the largest number of detections of any image, at least 1: runtimes stumble over empty tensors.

    The detections of an image are in its first slots.
    """
    counts = graph.ReduceSum(graph.Cast(valid, to=INT64), (1,), keepdims=0)
    return graph.Max(graph.ReduceMax(counts, axes=(0,), keepdims=1), (1,))


def all_slots(graph: Graph, valid: Value, slots: Size) -> Size:
    """Returns the number of slots."""
    return slots


ANY_SHAPE = Layout(pool=pool_by_level, count_slots=used_slots)
FIXED_SHAPE = Layout(pool=pool_on_all_levels, count_slots=all_slots)
