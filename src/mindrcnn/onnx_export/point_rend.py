"""PointRend's branch, as in models/point_rend_branch.py.

Letters in shapes as in masks.py; C channels of the pyramid, K classes, P points of a row. A point is (x, y), fractions
(0..1) of its row's box.
"""

import numpy as np
from numpy.typing import NDArray

from mindrcnn.models.layers import POOLED_STRIDES
from mindrcnn.models.point_rend_branch import CoarseHead, PointHead, PointRendBranch
from mindrcnn.onnx_export.graph import ABSENT, FLOAT, KEEP, REST, Graph, Value
from mindrcnn.onnx_export.layers import add_layer, add_pointwise
from mindrcnn.onnx_export.masks import MaskInputs, MaskOutputs, add_masks


@add_masks.register
def _(cell: PointRendBranch, graph: Graph, inputs: MaskInputs) -> MaskOutputs:
    points = PointPredictor(graph, cell, inputs)
    side = cell.first_side
    logits = points.logits(points.for_all_rows(grid_points(side)), side * side)
    masks = graph.Reshape(logits, (REST, 1, side, side))
    for _ in range(cell.steps):
        masks, side = add_doubled(graph, masks), 2 * side
        flat = graph.Reshape(masks, (KEEP, side * side))
        count = cell.subdivision_points
        uncertain = graph.TopK(graph.Abs(flat), (count,), axis=1, largest=0, outputs=2)[1]
        refined = points.logits(add_cell_centres(graph, uncertain, side), count)
        masks = graph.Reshape(graph.ScatterElements(flat, uncertain, refined, axis=1), (KEEP, 1, side, side))
    return MaskOutputs(graph.Sigmoid(graph.Reshape(masks, (KEEP, side, side))), inputs.scores, side)


class PointPredictor:
    """The heads of a PointRendBranch on the rows of its inputs; the coarse prediction is computed once."""

    def __init__(self, graph: Graph, cell: PointRendBranch, inputs: MaskInputs) -> None:
        self.graph = graph
        self.cell = cell
        self.inputs = inputs
        self.classes = inputs.classes(graph)
        left, top, right, bottom = graph.columns(graph.Reshape(inputs.boxes, (REST, 1, 4)), 4)
        self.low = graph.Concat(left, top, axis=-1)
        self.extent = graph.Sub(graph.Concat(right, bottom, axis=-1), self.low)
        side = cell.coarse_head.resolution
        features = self.features(self.for_all_rows(grid_points(side)), side * side)
        features = graph.Transpose(features, perm=(0, 2, 1))
        self.coarse = add_coarse_head(graph, cell.coarse_head, graph.Reshape(features, (KEEP, KEEP, side, side)))

    def for_all_rows(self, points: NDArray[np.float32]) -> Value:
        """Returns points (P, 2) for each row, (N, P, 2)."""
        rows = self.graph.product(self.inputs.pyramid.batch, self.inputs.slots)
        return self.graph.Expand(points, self.graph.shape(rows, *points.shape))

    def features(self, points: Value, count: int) -> Value:
        """Returns features (N, P, C) of P2 at points (N, P, 2); count is P."""
        graph, pyramid = self.graph, self.inputs.pyramid
        height, width = pyramid.sizes[0]
        cells = graph.Cast(graph.shape(width, height), to=FLOAT)
        pixels = graph.Add(self.low, graph.Mul(self.extent, points))
        # GridSample counts from -1 to 1 across the map.
        places = graph.Sub(graph.Mul(graph.Div(graph.Mul(pixels, 1 / POOLED_STRIDES[0]), cells), 2.0), 1.0)
        places = graph.Reshape(places, graph.shape(pyramid.batch, self.inputs.slots, count, 2))
        sampled = graph.GridSample(pyramid.maps[0], places, align_corners=0, mode="bilinear", padding_mode="zeros")
        sampled = graph.Transpose(sampled, perm=(0, 2, 3, 1))
        channels = self.cell.coarse_head.reduce.in_channels
        return graph.Reshape(sampled, (REST, count, channels))

    def logits(self, points: Value, count: int) -> Value:
        """Returns logits (N, P) of the rows' own classes at points (N, P, 2); count is P."""
        graph = self.graph
        places = graph.Unsqueeze(graph.Sub(graph.Mul(points, 2.0), 1.0), (1,))
        coarse = graph.GridSample(self.coarse, places, align_corners=0, mode="bilinear", padding_mode="zeros")
        coarse = graph.Transpose(graph.Squeeze(coarse, (2,)), perm=(0, 2, 1))
        return add_point_head(graph, self.cell.point_head, self.features(points, count), coarse, self.classes)


def add_coarse_head(graph: Graph, cell: CoarseHead, features: Value) -> Value:
    """Adds the coarse head on features (N, C, r, r); returns logits (N, K, r / 2, r / 2)."""
    hidden = graph.Flatten(graph.Relu(add_layer(cell.reduce, graph, features)))
    for dense in (cell.fc1, cell.fc2):
        hidden = graph.Relu(add_layer(dense, graph, hidden))
    return graph.Reshape(add_layer(cell.prediction, graph, hidden), (KEEP, cell.num_classes, cell.side, cell.side))


def add_point_head(graph: Graph, cell: PointHead, features: Value, coarse: Value, classes: Value) -> Value:
    """Adds the point head; returns logits (N, P) of each row's own class.

    cell: the head.
    features: (N, P, C).
    coarse: (N, P, K) logits of the coarse prediction.
    classes: (N,) int64, counted from 0.
    """
    hidden = features
    for dense in cell.fcs:
        hidden = graph.Relu(add_pointwise(dense, graph, graph.Concat(hidden, coarse, axis=2)))
    hidden = graph.Concat(hidden, coarse, axis=2)
    weight = graph.weight(cell.predictor.weight.name, cell.predictor.weight.asnumpy())
    bias = graph.weight(cell.predictor.bias.name, cell.predictor.bias.asnumpy())
    own = graph.MatMul(hidden, graph.Unsqueeze(graph.Gather(weight, classes), (2,)))
    return graph.Add(graph.Squeeze(own, (2,)), graph.Unsqueeze(graph.Gather(bias, classes), (1,)))


def add_doubled(graph: Graph, masks: Value) -> Value:
    """Adds masks (N, 1, M, M) enlarged bilinearly to (N, 1, 2M, 2M)."""
    scales = np.array([1, 1, 2, 2], np.float32)
    return graph.Resize(masks, ABSENT, scales, mode="linear", coordinate_transformation_mode="half_pixel")


def add_cell_centres(graph: Graph, cells: Value, side: int) -> Value:
    """Adds the centres (N, P, 2) of cells (N, P) int64, numbered row first in a side x side grid."""
    x, y = (graph.Unsqueeze(place, (-1,)) for place in (graph.Mod(cells, side), graph.Div(cells, side)))
    places = graph.Cast(graph.Concat(x, y, axis=-1), to=FLOAT)
    return graph.Div(graph.Add(places, 0.5), float(side))


def grid_points(side: int) -> NDArray[np.float32]:
    """Returns the centres (side * side, 2) of the cells of a side x side grid, row first."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(centres, centres)
    return np.stack((x.ravel(), y.ravel()), axis=1).astype(np.float32)
