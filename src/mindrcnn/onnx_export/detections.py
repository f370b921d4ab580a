"""The second stage: classes and boxes, as in models/box_branch.py.

Letters in shapes: B images, P proposals of an image, K classes, D detections of an image.
"""

from dataclasses import dataclass

from mindrcnn.models.box_branch import BoxBranch, BoxHead, DetectionSelector
from mindrcnn.models.proposals import SUPPRESSED
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.boxes import apart_by_label, clip, decode, nms, take_rows
from mindrcnn.onnx_export.graph import INT64, KEEP, REST, Graph, Size, Value
from mindrcnn.onnx_export.layers import add_layer
from mindrcnn.onnx_export.layout import Layout

LAST = 2**31 - 1  # in a Slice: the end of the axis


@dataclass(frozen=True)
class Detections:
    """Padded detections: boxes (B, D, 4), scores (B, D), labels (B, D) int64, valid (B, D) bool, and D itself."""

    boxes: Value
    scores: Value
    labels: Value
    valid: Value
    slots: Size


def add_detections(
    graph: Graph,
    cell: BoxBranch,
    layout: Layout,
    pyramid: Pyramid,
    proposals: tuple[Value, Value, Size],
    image_sizes: Value,
) -> Detections:
    """Adds the box branch.

    cell: the branch.
    layout: the choice of ROIAlign.
    pyramid: P2..P6.
    proposals: boxes (B, P, 4), valid (B, P) and P.
    image_sizes: (B, 2) int32.
    """
    boxes, valid, slots = proposals
    pooled = layout.pool(graph, cell.pooler, pyramid, boxes, valid, slots)
    logits, deltas = add_box_head(graph, cell.head, pooled)
    shape = (pyramid.batch, slots, cell.head.num_classes)
    return select_detections(graph, cell.selector, logits, deltas, proposals, image_sizes, shape)


def add_box_head(graph: Graph, cell: BoxHead, pooled: Value) -> tuple[Value, Value]:
    """Adds the head; returns logits (B * P, K + 1) and deltas (B * P, 4K)."""
    hidden = pooled
    for layer in cell.convs:
        hidden = add_layer(layer, graph, hidden)
    hidden = graph.Relu(add_layer(cell.fc1, graph, graph.Flatten(hidden)))
    hidden = graph.Relu(add_layer(cell.fc2, graph, hidden))
    deltas = add_layer(cell.deltas, graph, hidden)
    if cell.copies > 1:
        deltas = graph.Concat(*(deltas,) * cell.copies, axis=-1)
    return add_layer(cell.class_logits, graph, hidden), deltas


def select_detections(
    graph: Graph,
    cell: DetectionSelector,
    logits: Value,
    deltas: Value,
    proposals: tuple[Value, Value, Size],
    image_sizes: Value,
    shape: tuple[Size, Size, int],
) -> Detections:
    """Adds the score threshold, suppression per class and the choice of the best.

    cell: the selector.
    logits: (B * P, K + 1).
    deltas: (B * P, 4K).
    proposals: boxes (B, P, 4), valid (B, P) and P.
    image_sizes: (B, 2) int32.
    shape: B, P and K.
    """
    origins, valid, _ = proposals
    batch, slots, classes = shape
    scores = graph.Slice(graph.Softmax(logits, axis=-1), (1,), (LAST,), (1,))
    scores = graph.Reshape(scores, graph.shape(batch, slots, classes))
    usable = graph.And(graph.Greater(scores, float(cell.score_thresh)), graph.Unsqueeze(valid, (-1,)))
    scores = graph.Reshape(graph.Where(usable, scores, 0.0), (KEEP, REST))
    count = graph.least(cell.pre_nms_topk, graph.product(slots, classes))
    best, index = graph.TopK(scores, graph.shape(count), axis=1, outputs=2)
    labels = graph.Add(graph.Mod(index, classes), 1)
    origins = take_rows(graph, origins, graph.Div(index, classes))
    deltas = take_rows(graph, graph.Reshape(deltas, graph.shape(batch, REST, 4)), index)
    boxes = clip(graph, decode(graph, deltas, origins, cell.coder_weights), image_sizes)
    found = graph.Greater(best, 0.0)
    keep = nms(graph, apart_by_label(graph, boxes, labels, found), best, found, count, cell.nms_thresh)
    kept = graph.Where(keep, best, SUPPRESSED)
    detections = graph.least(cell.detections_per_image, count)
    top, order = graph.TopK(kept, graph.shape(detections), axis=1, outputs=2)
    chosen = graph.Greater(top, 0.0)
    return Detections(
        boxes=graph.Where(graph.Unsqueeze(chosen, (-1,)), take_rows(graph, boxes, order), 0.0),
        scores=graph.Where(chosen, top, 0.0),
        labels=graph.Mul(take_rows(graph, labels, order), graph.Cast(chosen, to=INT64)),
        valid=chosen,
        slots=detections,
    )
