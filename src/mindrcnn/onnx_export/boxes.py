"""Box geometry and suppression, as in `mindrcnn.ops`.

Letters in shapes: B images, N and S boxes of an image.
"""

import numpy as np

from mindrcnn.onnx_export.graph import FLOAT, Graph, Size, Value
from mindrcnn.ops.coder import MAX_LOG_SCALE, CoderWeights

_LARGEST = float(np.finfo(np.float32).max)


def take_rows(graph: Graph, values: Value, index: Value) -> Value:
    """Adds values[b, index[b, s]], (B, S, ...), of values (B, N, ...) at index (B, S) int64."""
    return graph.GatherND(values, graph.Unsqueeze(index, (-1,)), batch_dims=1)


def area(graph: Graph, boxes: Value) -> Value:
    """Adds the areas (..., 1) of boxes (..., 4)."""
    left, top, right, bottom = graph.columns(boxes, 4)
    return graph.Mul(graph.Relu(graph.Sub(right, left)), graph.Relu(graph.Sub(bottom, top)))


def decode(graph: Graph, deltas: Value, references: Value, weights: CoderWeights) -> Value:
    """Adds the boxes (..., 4) that deltas (..., 4) make of references (..., 4)."""
    shift_x, shift_y, log_w, log_h = (
        graph.Div(delta, float(weight)) for delta, weight in zip(graph.columns(deltas, 4), weights, strict=True)
    )
    left, top, right, bottom = graph.columns(references, 4)
    x_low, x_high = _decode_axis(graph, shift_x, log_w, left, right)
    y_low, y_high = _decode_axis(graph, shift_y, log_h, top, bottom)
    return graph.Concat(x_low, y_low, x_high, y_high, axis=-1)


def _decode_axis(graph: Graph, shift: Value, log_scale: Value, low: Value, high: Value) -> tuple[Value, Value]:
    size = graph.Sub(high, low)
    centre = graph.Add(graph.Add(low, graph.Mul(size, 0.5)), graph.Mul(shift, size))
    half = graph.Mul(graph.Mul(size, 0.5), graph.Exp(graph.Min(log_scale, MAX_LOG_SCALE)))
    return graph.Sub(centre, half), graph.Add(centre, half)


def clip(graph: Graph, boxes: Value, image_sizes: Value) -> Value:
    """Adds boxes (B, N, 4) clipped to their image; image_sizes (B, 2) int32 holds (h, w)."""
    height, width = graph.columns(graph.Cast(image_sizes, to=FLOAT), 2)
    limit = graph.Unsqueeze(graph.Concat(width, height, width, height, axis=-1), (1,))
    return graph.Min(graph.Relu(boxes), limit)


def longer_than(graph: Graph, boxes: Value, min_size: float) -> Value:
    """Adds bool (B, N), True where both sides of boxes (B, N, 4) are longer than min_size pixels."""
    left, top, right, bottom = graph.columns(boxes, 4)
    limit = float(min_size)
    wide, high = graph.Greater(graph.Sub(right, left), limit), graph.Greater(graph.Sub(bottom, top), limit)
    return graph.Squeeze(graph.And(wide, high), (-1,))


def nms(graph: Graph, boxes: Value, scores: Value, valid: Value, count: Size, iou_thresh: float) -> Value:
    """Adds `keep` (B, N) bool of greedy suppression; invalid boxes are neither kept nor drop others.

    boxes: (B, N, 4).
    scores: (B, N), descending; only whether they are finite matters, because the order is that of the boxes.
    valid: (B, N) bool.
    count: N.
    """
    valid = graph.And(valid, graph.LessOrEqual(graph.Abs(scores), _LARGEST))
    # A box's rank is its score: NonMaxSuppression sorts, and need not be stable.
    ranks = graph.Cast(graph.Sub(graph.shape(count), graph.counting(count)), to=FLOAT)
    ranks = graph.Where(valid, ranks, 0.0)
    limits = (np.array([limit], np.float32) for limit in (iou_thresh, 0.0))
    # All five inputs are given: without the last, Huawei's ATC crashes.
    chosen = graph.NonMaxSuppression(boxes, graph.Unsqueeze(ranks, (1,)), graph.shape(count), *limits)
    image, label, box = graph.columns(chosen, 3)
    ones = graph.Squeeze(graph.Cast(graph.Add(label, 1), to=FLOAT), (-1,))  # there is one label, 0
    kept = graph.ScatterND(graph.Mul(ranks, 0.0), graph.Concat(image, box, axis=-1), ones)
    return graph.Greater(kept, 0.0)


def apart_by_label(graph: Graph, boxes: Value, labels: Value, valid: Value) -> Value:
    """Adds boxes (B, N, 4) moved so that no two of different labels (B, N) int64 touch: one grid cell a label."""
    boxes = without_invalid(graph, boxes, valid)
    label = graph.Mul(graph.Cast(labels, to=FLOAT), graph.Cast(valid, to=FLOAT))
    extent = graph.Sub(graph.ReduceMax(boxes, keepdims=0), graph.ReduceMin(boxes, keepdims=0))
    cell = graph.Add(extent, 1.0)
    side = graph.Ceil(graph.Sqrt(graph.Add(graph.ReduceMax(label, keepdims=0), 1.0)))
    row = graph.Floor(graph.Div(label, side))
    column = graph.Sub(label, graph.Mul(row, side))
    x, y = (graph.Unsqueeze(graph.Mul(place, cell), (-1,)) for place in (column, row))
    return graph.Add(boxes, graph.Concat(x, y, x, y, axis=-1))


def without_invalid(graph: Graph, boxes: Value, valid: Value) -> Value:
    """Adds boxes (B, N, 4) with zeros, whatever they held, where valid (B, N) is False."""
    return graph.Where(graph.Unsqueeze(valid, (-1,)), boxes, 0.0)
