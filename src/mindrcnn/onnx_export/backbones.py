"""Backbones and the feature pyramid.

A backbone from another package extends `add_backbone` with `add_backbone.register`.
"""

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from mindspore import nn

from mindrcnn.errors import InputError
from mindrcnn.models.backbones.base import StagedBackbone
from mindrcnn.models.backbones.mobilenet_v1 import SeparableBlock
from mindrcnn.models.backbones.resnet import Bottleneck, Stem
from mindrcnn.models.fpn import FPN
from mindrcnn.models.rpn import STRIDES
from mindrcnn.onnx_export.graph import ABSENT, Graph, Size, Value
from mindrcnn.onnx_export.layers import add_layer

DOUBLE = np.array([1, 1, 2, 2], np.float32)  # scales of (B, C, H, W)


@dataclass(frozen=True)
class Pyramid:
    """The maps P2..P6, each (batch, C, *sizes[level])."""

    maps: tuple[Value, ...]
    sizes: tuple[tuple[Size, Size], ...]
    batch: Size


@singledispatch
def add_backbone(cell: nn.Cell, graph: Graph, images: Value) -> tuple[Value, Value, Value, Value]:
    """Adds a backbone and returns C2..C5. Raises InputError for a cell of an unknown type."""
    kind = type(cell).__name__
    raise InputError(
        f"--format onnx: wanted a backbone with an ONNX form, got {kind}: register a function for it with "
        "mindrcnn.onnx_export.backbones.add_backbone.register"
    )


@add_backbone.register
def _(cell: StagedBackbone, graph: Graph, images: Value) -> tuple[Value, Value, Value, Value]:
    c2 = add_layer(cell.stage2, graph, add_layer(cell.stem, graph, images))
    c3 = add_layer(cell.stage3, graph, c2)
    c4 = add_layer(cell.stage4, graph, c3)
    return c2, c3, c4, add_layer(cell.stage5, graph, c4)


@add_layer.register
def _(cell: Stem, graph: Graph, x: Value) -> Value:
    # Nothing is negative after ReLU, so this padding, which never wins, equals the cell's zeros.
    return graph.MaxPool(add_layer(cell.conv1, graph, x), kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 0, 0))


@add_layer.register
def _(cell: Bottleneck, graph: Graph, x: Value) -> Value:
    out = x
    for layer in (cell.conv1, cell.conv2, cell.conv3):
        out = add_layer(layer, graph, out)
    return graph.Relu(graph.Add(out, add_layer(cell.shortcut, graph, x)))


@add_layer.register
def _(cell: SeparableBlock, graph: Graph, x: Value) -> Value:
    return add_layer(cell.pointwise, graph, add_layer(cell.depthwise, graph, x))


def add_pyramid(
    graph: Graph, cell: FPN, features: tuple[Value, Value, Value, Value], batch: Size, height: Size, width: Size
) -> Pyramid:
    """Adds the feature pyramid.

    features: C2..C5.
    height, width: sides of the network's input.
    """
    sums = [add_layer(cell.laterals[3], graph, features[3])]
    for level in (2, 1, 0):
        doubled = graph.Resize(
            sums[-1],
            ABSENT,
            DOUBLE,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        sums.append(graph.Add(add_layer(cell.laterals[level], graph, features[level]), doubled))
    maps = [add_layer(output, graph, merged) for output, merged in zip(cell.outputs, reversed(sums), strict=True)]
    maps.append(graph.MaxPool(maps[-1], kernel_shape=(1, 1), strides=(2, 2)))
    sizes = tuple((graph.quotient(height, stride), graph.quotient(width, stride)) for stride in STRIDES)
    return Pyramid(tuple(maps), sizes, batch)
