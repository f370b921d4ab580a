"""ROIAlign over the pyramid levels P2..P5.

A layout (layout.py) chooses between the two functions here, which give the same result. Letters in shapes: B images,
S boxes of an image, N = B * S.
"""

from functools import reduce

from mindrcnn.models.layers import POOLED_STRIDES, RoiPooler
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.boxes import area, without_invalid
from mindrcnn.onnx_export.graph import INT64, REST, Graph, Size, Value
from mindrcnn.ops.roi_levels import LEVEL_EDGES


def pool_by_level(graph: Graph, cell: RoiPooler, pyramid: Pyramid, boxes: Value, valid: Value, slots: Size) -> Value:
    """Adds the pooled features (N, C, r, r), each box from its own level; shapes inside depend on the boxes.

    boxes: (B, S, 4).
    valid: (B, S) bool; the features of invalid boxes are those of a point.
    slots: S.
    """
    boxes, image = _rows(graph, pyramid, boxes, valid, slots)
    level = _level(graph, boxes)
    pooled, order = [], []
    for number in range(len(POOLED_STRIDES)):
        members = graph.Squeeze(graph.NonZero(graph.Equal(level, number)), (0,))
        own_boxes, own_image = graph.Gather(boxes, members), graph.Gather(image, members)
        pooled.append(_roi_align(graph, cell, pyramid, number, own_boxes, own_image))
        order.append(members)
    permutation = graph.Concat(*order, axis=0)
    count = graph.product(pyramid.batch, slots)
    inverse = graph.ScatterElements(permutation, permutation, graph.counting(count), axis=0)
    return graph.Gather(graph.Concat(*pooled, axis=0), inverse, axis=0)


def pool_on_all_levels(
    graph: Graph, cell: RoiPooler, pyramid: Pyramid, boxes: Value, valid: Value, slots: Size
) -> Value:
    """Adds what `pool_by_level` does, but pools each box from all levels, so that no shape depends on a value."""
    boxes, image = _rows(graph, pyramid, boxes, valid, slots)
    level = graph.Reshape(_level(graph, boxes), (REST, 1, 1, 1))
    pooled = _roi_align(graph, cell, pyramid, 0, boxes, image)
    for number in range(1, len(POOLED_STRIDES)):
        own = _roi_align(graph, cell, pyramid, number, boxes, image)
        pooled = graph.Where(graph.Equal(level, number), own, pooled)
    return pooled


def _rows(graph: Graph, pyramid: Pyramid, boxes: Value, valid: Value, slots: Size) -> tuple[Value, Value]:
    """Returns boxes (N, 4), zeros where they are not valid, and the number of each one's image (N,)."""
    boxes = graph.Reshape(without_invalid(graph, boxes, valid), (REST, 4))
    image = graph.Unsqueeze(graph.counting(pyramid.batch), (1,))
    image = graph.Expand(image, graph.shape(pyramid.batch, slots))
    return boxes, graph.Reshape(image, (REST,))


def _level(graph: Graph, boxes: Value) -> Value:
    """Returns the level (N,) int64 of each box, as an index into P2..P5."""
    box_area = graph.Squeeze(area(graph, boxes), (-1,))
    reached = [graph.Cast(graph.GreaterOrEqual(box_area, edge), to=INT64) for edge in LEVEL_EDGES]
    return reduce(graph.Add, reached)


def _roi_align(graph: Graph, cell: RoiPooler, pyramid: Pyramid, level: int, boxes: Value, image: Value) -> Value:
    return graph.RoiAlign(
        pyramid.maps[level],
        boxes,
        image,
        coordinate_transformation_mode="half_pixel" if cell.aligned else "output_half_pixel",
        mode="avg",
        output_height=cell.resolution,
        output_width=cell.resolution,
        sampling_ratio=cell.sampling_ratio,
        spatial_scale=1.0 / POOLED_STRIDES[level],
    )
