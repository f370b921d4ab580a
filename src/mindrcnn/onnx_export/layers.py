"""Layers: pixels, convolutions, normalisation, activations, fully connected layers.

`add_layer` adds any cell that makes one tensor of one tensor. It chooses by the cell's type, so another package extends
it with `add_layer.register`.
"""

from functools import singledispatch

import numpy as np
from mindspore import Parameter, nn
from numpy.typing import NDArray

from mindrcnn.errors import InputError
from mindrcnn.models.detector import PixelNormalizer
from mindrcnn.models.layers import GROUPS, NORM_EPS, ConvNorm, FrozenBatchNorm, GroupNorm
from mindrcnn.onnx_export.graph import FLOAT, KEEP, REST, Graph, Size, Value
from mindrcnn.ops.batch_norm import Activation


def add_pixels(
    graph: Graph, cell: PixelNormalizer, images: Value, image_sizes: Value, height: Size, width: Size
) -> Value:
    """Adds the normalisation of pixels, which keeps the padding at exactly zero.

    cell: mean and deviation.
    images: (B, 3, height, width) uint8.
    image_sizes: (B, 2) int32.
    """
    mean, scale = (cell.shift.asnumpy().reshape(3, 1, 1), cell.scale.asnumpy().reshape(3, 1, 1))
    normalised = graph.Mul(graph.Add(graph.Cast(images, to=FLOAT), mean), scale)
    sizes = graph.Cast(image_sizes, to=FLOAT)
    image_height, image_width = (graph.Reshape(side, (KEEP, 1, 1, 1)) for side in graph.columns(sizes, 2))
    row, column = (graph.Cast(graph.counting(size), to=FLOAT) for size in (height, width))
    inside = graph.And(
        graph.Less(graph.Reshape(row, (1, 1, REST, 1)), image_height),
        graph.Less(graph.Reshape(column, (1, 1, 1, REST)), image_width),
    )
    return graph.Where(inside, normalised, 0.0)


@singledispatch
def add_layer(cell: nn.Cell, graph: Graph, x: Value) -> Value:
    """Adds a layer to the graph and returns its output. Raises InputError for a cell of an unknown type."""
    kind = type(cell).__name__
    raise InputError(
        f"--format onnx: wanted layers with an ONNX form, got {kind}: register a function for it with "
        "mindrcnn.onnx_export.layers.add_layer.register"
    )


@add_layer.register
def _(cell: nn.SequentialCell, graph: Graph, x: Value) -> Value:
    for layer in cell:
        x = add_layer(layer, graph, x)
    return x


@add_layer.register
def _(cell: nn.Identity, graph: Graph, x: Value) -> Value:
    return x


@add_layer.register
def _(cell: nn.ReLU, graph: Graph, x: Value) -> Value:
    return graph.Relu(x)


@add_layer.register
def _(cell: nn.Conv2d, graph: Graph, x: Value) -> Value:
    weight, bias = _weight(graph, cell.weight), _weight(graph, cell.bias)
    return graph.Conv(
        x, weight, bias, strides=cell.stride, pads=_pads(cell.pad_mode, cell.padding), group=int(cell.group)
    )


@add_layer.register
def _(cell: nn.Dense, graph: Graph, x: Value) -> Value:
    return graph.Gemm(x, _weight(graph, cell.weight), _weight(graph, cell.bias), transB=1)


@add_layer.register
def _(cell: ConvNorm, graph: Graph, x: Value) -> Value:
    conv = cell.conv
    if isinstance(cell.norm, GroupNorm):
        x = graph.Conv(
            x, _weight(graph, conv.weight), strides=conv.stride, pads=_pads("pad", cell.padding), group=int(conv.group)
        )
        return _activate(cell.activation, graph, add_layer(cell.norm, graph, x))
    scale, shift = _scale_and_shift(cell.norm)
    folded = conv.weight.asnumpy() * scale.reshape(-1, 1, 1, 1)
    weight = graph.weight(conv.weight.name, folded.astype(np.float32))
    bias = graph.weight(cell.norm.beta.name, shift.astype(np.float32))
    x = graph.Conv(x, weight, bias, strides=conv.stride, pads=_pads("pad", cell.padding), group=int(conv.group))
    return _activate(cell.activation, graph, x)


@add_layer.register
def _(cell: GroupNorm, graph: Graph, x: Value) -> Value:
    ones, zeros = np.ones(GROUPS, np.float32), np.zeros(GROUPS, np.float32)
    normal = graph.InstanceNormalization(graph.Reshape(x, (KEEP, GROUPS, REST)), ones, zeros, epsilon=NORM_EPS)
    gamma, beta = (graph.weight(part.name, part.asnumpy().reshape(-1, 1, 1)) for part in (cell.gamma, cell.beta))
    return graph.Add(graph.Mul(graph.Reshape(normal, graph.Shape(x)), gamma), beta)


def add_pointwise(cell: nn.Dense, graph: Graph, x: Value) -> Value:
    """Adds a fully connected layer along the last axis of x (N, P, C)."""
    weight = graph.weight(cell.weight.name, cell.weight.asnumpy().T)
    return graph.Add(graph.MatMul(x, weight), _weight(graph, cell.bias))


def _activate(activation: Activation, graph: Graph, x: Value) -> Value:
    if activation == "relu6":
        return graph.Clip(x, 0.0, 6.0)
    return graph.Relu(x) if activation == "relu" else x


def _weight(graph: Graph, parameter: Parameter) -> Value:
    return graph.weight(parameter.name, parameter.asnumpy())


def _scale_and_shift(norm: FrozenBatchNorm | nn.BatchNorm2d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what inference multiplies each channel by, and what it adds."""
    gamma, beta, mean, variance = (
        parameter.asnumpy().astype(np.float64)
        for parameter in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    )
    scale = gamma / np.sqrt(variance + NORM_EPS)
    return scale, beta - mean * scale


def _pads(pad_mode: str, padding: int | tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Converts MindSpore's padding (top, bottom, left, right) to ONNX's (top, left, bottom, right)."""
    if pad_mode == "valid":
        return (0, 0, 0, 0)
    top, bottom, left, right = (padding,) * 4 if isinstance(padding, int) else padding
    return top, left, bottom, right
