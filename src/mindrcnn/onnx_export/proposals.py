"""The first stage: anchors, RPN head, proposals, as in models/rpn.py and models/proposals.py.

Letters in shapes: B images, A anchors of a level, k of which are kept, P proposals of an image.
"""

import numpy as np
from mindspore import nn

from mindrcnn.models.proposals import RPN_CODER_WEIGHTS, SUPPRESSED, ProposalSelector
from mindrcnn.models.rpn import STRIDES, AnchorGenerator, RegionProposalNetwork, RPNConv, RPNHead, cell_anchors
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.boxes import clip, decode, longer_than, nms, take_rows
from mindrcnn.onnx_export.graph import FLOAT, KEEP, REST, Graph, Size, Value
from mindrcnn.onnx_export.layers import add_layer

TEST = 1  # position of inference in the (training, inference) pairs of a ProposalSelector


def add_proposals(
    graph: Graph, cell: RegionProposalNetwork, pyramid: Pyramid, image_sizes: Value
) -> tuple[Value, Value, Size]:
    """Adds the RPN; returns boxes (B, P, 4), valid (B, P) bool and P."""
    selector = cell.selector
    boxes, scores, counts = [], [], []
    for level in range(len(STRIDES)):
        objectness, deltas = add_rpn_head(graph, cell.head, pyramid.maps[level])
        height, width = pyramid.sizes[level]
        anchors = add_anchors(graph, cell.anchors, level, height, width)
        total = graph.product(height, width, len(cell.anchors.aspect_ratios))
        count = graph.least(selector.pre_nms_topk[TEST], total)
        best, index = graph.TopK(objectness, graph.shape(count), axis=1, outputs=2)
        decoded = decode(graph, take_rows(graph, deltas, index), graph.Gather(anchors, index), RPN_CODER_WEIGHTS)
        level_boxes, kept = keep_best(graph, selector, decoded, best, image_sizes, count)
        boxes.append(level_boxes)
        scores.append(kept)
        counts.append(count)
    slots = graph.least(selector.post_nms_topk[TEST], graph.total(*counts))
    best, index = graph.TopK(graph.Concat(*scores, axis=1), graph.shape(slots), axis=1, outputs=2)
    return take_rows(graph, graph.Concat(*boxes, axis=1), index), graph.Greater(best, SUPPRESSED), slots


def add_rpn_head(graph: Graph, cell: RPNHead, feature: Value) -> tuple[Value, Value]:
    """Adds the head on one level; returns logits (B, A) and deltas (B, A, 4)."""
    hidden = add_layer(cell.conv, graph, feature)
    objectness, deltas = (
        graph.Transpose(add_layer(layer, graph, hidden), perm=(0, 2, 3, 1)) for layer in (cell.objectness, cell.deltas)
    )
    return graph.Reshape(objectness, (KEEP, REST)), graph.Reshape(deltas, (KEEP, REST, 4))


@add_layer.register
def _(cell: RPNConv, graph: Graph, x: Value) -> Value:
    return graph.Relu(add_layer.dispatch(nn.Conv2d)(cell, graph, x))


def add_anchors(graph: Graph, cell: AnchorGenerator, level: int, height: Size, width: Size) -> Value:
    """Adds the anchors (A, 4) of a level of height x width cells."""
    stride = float(STRIDES[level])
    y, x = (graph.Mul(graph.Cast(graph.counting(size), to=FLOAT), stride) for size in (height, width))
    shift = graph.Add(
        graph.Mul(graph.Reshape(x, (1, REST, 1, 1)), np.array([1, 0, 1, 0], np.float32)),
        graph.Mul(graph.Reshape(y, (REST, 1, 1, 1)), np.array([0, 1, 0, 1], np.float32)),
    )
    own = cell_anchors(cell.sizes[level], cell.aspect_ratios, cell.rounded)
    return graph.Reshape(graph.Add(shift, own), (REST, 4))


def keep_best(
    graph: Graph, cell: ProposalSelector, boxes: Value, scores: Value, image_sizes: Value, count: Size
) -> tuple[Value, Value]:
    """Adds clipping and suppression; returns boxes (B, k, 4) and scores (B, k), SUPPRESSED where dropped.

    boxes: (B, k, 4), best first.
    scores: (B, k).
    count: k.
    """
    boxes = clip(graph, boxes, image_sizes)
    valid = longer_than(graph, boxes, cell.min_size)
    keep = nms(graph, boxes, scores, valid, count, cell.nms_thresh)
    return boxes, graph.Where(keep, scores, SUPPRESSED)
