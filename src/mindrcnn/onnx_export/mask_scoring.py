"""Mask Scoring R-CNN's branch, as in models/mask_scoring_branch.py. Letters in shapes as in masks.py."""

from mindrcnn.models.mask_scoring_branch import MaskIoUHead, MaskScoringBranch
from mindrcnn.onnx_export.boxes import take_rows
from mindrcnn.onnx_export.graph import Graph, Value
from mindrcnn.onnx_export.layers import add_layer
from mindrcnn.onnx_export.mask_rcnn import add_own_masks
from mindrcnn.onnx_export.masks import MaskInputs, MaskOutputs, add_masks


@add_masks.register
def _(cell: MaskScoringBranch, graph: Graph, inputs: MaskInputs) -> MaskOutputs:
    pooled, plain = add_own_masks(graph, cell.mask, inputs)
    ious = add_iou_head(graph, cell.iou_head, pooled, plain.masks)
    own = take_rows(graph, ious, graph.Unsqueeze(inputs.classes(graph), (1,)))
    own = graph.Reshape(own, graph.shape(inputs.pyramid.batch, inputs.slots))
    return MaskOutputs(plain.masks, graph.Mul(inputs.scores, own), plain.side)


def add_iou_head(graph: Graph, cell: MaskIoUHead, pooled: Value, masks: Value) -> Value:
    """Adds the head; returns IoUs (N, K).

    pooled: (N, C, r, r).
    masks: (N, 2r, 2r) probabilities.
    """
    reduced = graph.MaxPool(graph.Unsqueeze(masks, (1,)), kernel_shape=(2, 2), strides=(2, 2))
    hidden = graph.Concat(pooled, reduced, axis=1)
    for layer in cell.convs:
        hidden = graph.Relu(add_layer(layer, graph, hidden))
    hidden = graph.Flatten(hidden)
    for dense in (cell.fc1, cell.fc2):
        hidden = graph.Relu(add_layer(dense, graph, hidden))
    return add_layer(cell.iou, graph, hidden)
