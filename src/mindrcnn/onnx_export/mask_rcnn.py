"""Mask R-CNN's branch, as in models/mask_branch.py. Letters in shapes as in masks.py; r is the pooled side."""

import numpy as np
from mindspore import nn

from mindrcnn.models.mask_branch import MaskBranch, MaskConv, MaskHead
from mindrcnn.onnx_export.graph import REST, Graph, Value
from mindrcnn.onnx_export.layers import add_layer
from mindrcnn.onnx_export.masks import MaskInputs, MaskOutputs, add_masks


@add_masks.register
def _(cell: MaskBranch, graph: Graph, inputs: MaskInputs) -> MaskOutputs:
    return add_own_masks(graph, cell, inputs)[1]


def add_own_masks(graph: Graph, cell: MaskBranch, inputs: MaskInputs) -> tuple[Value, MaskOutputs]:
    """Adds pooling and head; returns the pooled features (N, C, r, r) as well."""
    pooled = inputs.layout.pool(graph, cell.pooler, inputs.pyramid, inputs.boxes, inputs.valid, inputs.slots)
    resolution = cell.pooler.resolution
    logits = add_mask_head(graph, cell.head, pooled, inputs.classes(graph), resolution)
    return pooled, MaskOutputs(graph.Sigmoid(logits), inputs.scores, 2 * resolution)


def add_mask_head(graph: Graph, cell: MaskHead, pooled: Value, classes: Value, resolution: int) -> Value:
    """Adds the head; returns each row's logits (N, 2r, 2r) for its own class.

    cell: the head.
    pooled: (N, C, r, r).
    classes: (N,) int64, counted from 0.
    resolution: r.
    """
    hidden = pooled
    for layer in cell.convs:
        hidden = add_layer(layer, graph, hidden)
    upsampled = _add_upsampled(graph, cell, hidden, resolution)
    weight = graph.weight(cell.mask_logits.weight.name, cell.mask_logits.weight.asnumpy()[:, :, 0, 0])
    bias = graph.weight(cell.mask_logits.bias.name, cell.mask_logits.bias.asnumpy())
    own_weight = graph.Unsqueeze(graph.Gather(weight, classes), (1,))
    own_bias = graph.Reshape(graph.Gather(bias, classes), (REST, 1, 1))
    blocks = graph.Reshape(graph.MatMul(own_weight, upsampled), (REST, 2, 2, resolution, resolution))
    blocks = graph.Transpose(blocks, perm=(0, 3, 1, 4, 2))
    return graph.Add(graph.Reshape(blocks, (REST, 2 * resolution, 2 * resolution)), own_bias)


@add_layer.register
def _(cell: MaskConv, graph: Graph, x: Value) -> Value:
    return graph.Relu(add_layer.dispatch(nn.Conv2d)(cell, graph, x))


def _add_upsampled(graph: Graph, cell: MaskHead, hidden: Value, resolution: int) -> Value:
    """Returns the transposed convolution and ReLU as (N, C, 4 * r * r), in the order of `MaskHead.upsampled`."""
    transposed = cell.upsample.weight.asnumpy()
    channels = transposed.shape[1]
    weight = transposed.reshape(-1, channels * 4).T.reshape(channels * 4, -1, 1, 1)
    bias = np.repeat(cell.upsample.bias.asnumpy(), 4)
    upsampled = graph.Conv(
        hidden, graph.weight(cell.upsample.weight.name, weight), graph.weight(cell.upsample.bias.name, bias)
    )
    return graph.Reshape(graph.Relu(upsampled), (REST, channels, 4 * resolution * resolution))
