"""The mask branches: `add_masks`, which another package's branch extends with `add_masks.register`, and shared parts.

Letters in shapes: B images, D detection slots of an image, S of which are computed, N = B * S, M mask side.
"""

from dataclasses import dataclass
from functools import singledispatch

from mindspore import nn

from mindrcnn.errors import InputError
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.detections import Detections
from mindrcnn.onnx_export.graph import REST, Graph, Size, Value
from mindrcnn.onnx_export.layout import Layout


@dataclass(frozen=True)
class MaskInputs:
    """Arguments of a mask branch.

    pyramid: P2..P6.
    layout: the choice of ROIAlign.
    boxes: (B, S, 4).
    labels: (B, S) int64, 1..K; 0 in unused slots.
    valid: (B, S) bool.
    scores: (B, S).
    slots: S.
    """

    pyramid: Pyramid
    layout: Layout
    boxes: Value
    labels: Value
    valid: Value
    scores: Value
    slots: Size

    def classes(self, graph: Graph) -> Value:
        """Returns the class (N,) int64 of each row, counted from 0; 0 in unused slots too."""
        return graph.Max(graph.Sub(graph.Reshape(self.labels, (REST,)), 1), 0)


@dataclass(frozen=True)
class MaskOutputs:
    """Probabilities (N, side, side) of the detections' own classes, and mask scores (B, S)."""

    masks: Value
    scores: Value
    side: int


@singledispatch
def add_masks(cell: nn.Cell, graph: Graph, inputs: MaskInputs) -> MaskOutputs:
    """Adds a mask branch. Raises InputError for a cell of an unknown type."""
    kind = type(cell).__name__
    raise InputError(
        f"--format onnx: wanted a mask branch with an ONNX form, got {kind}: register a function for it with "
        "mindrcnn.onnx_export.masks.add_masks.register"
    )


def add_mask_outputs(
    graph: Graph, cell: nn.Cell, layout: Layout, pyramid: Pyramid, detections: Detections
) -> MaskOutputs:
    """Adds a mask branch on the slots that the layout chooses; returns masks (B, D, M, M) and mask scores (B, D).

    Both are zero in unused slots.
    """
    slots = detections.slots
    count = layout.count_slots(graph, detections.valid, slots)
    values = (detections.boxes, detections.labels, detections.valid, detections.scores)
    boxes, labels, valid, scores = (_first(graph, value, count, slots) for value in values)
    outputs = add_masks(cell, graph, MaskInputs(pyramid, layout, boxes, labels, valid, scores, count))
    side = outputs.side
    masks = graph.Reshape(outputs.masks, graph.shape(pyramid.batch, count, side, side))
    masks = graph.Where(graph.Unsqueeze(valid, (-1, -2)), masks, 0.0)
    return MaskOutputs(_padded(graph, masks, count, slots, 4), _padded(graph, outputs.scores, count, slots, 2), side)


def _first(graph: Graph, value: Value, count: Size, slots: Size) -> Value:
    """Returns the first `count` of the slots along axis 1."""
    return value if count == slots else graph.Slice(value, (0,), graph.shape(count), (1,))


def _padded(graph: Graph, value: Value, count: Size, slots: Size, rank: int) -> Value:
    """Returns the tensor with zeros after its `count` entries along axis 1, `slots` in all."""
    if count == slots:
        return value
    missing = graph.Sub(graph.shape(slots), graph.shape(count))
    zeros = [0] * rank
    return graph.Pad(value, graph.Concat(graph.shape(*zeros, 0), missing, graph.shape(*zeros[2:]), axis=0))
