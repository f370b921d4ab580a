"""A whole detector as an ONNX model: everything that `TwoStageDetector.predict` does.

Inputs: images (B, 3, H, W) uint8, image_sizes (B, 2) int32. Outputs: boxes (B, D, 4) float32, scores (B, D) float32,
labels (B, D) int32, valid (B, D) bool and, with a mask branch, masks (B, D, M, M) and mask_scores (B, D) float32, which
are zero in unused slots. H and W are multiples of 32.
"""

from collections.abc import Mapping

from onnx import ModelProto

from mindrcnn.models.detector import TwoStageDetector

# Imported because they register their branches with add_masks.
from mindrcnn.onnx_export import mask_rcnn, mask_scoring, point_rend  # noqa: F401
from mindrcnn.onnx_export.backbones import add_backbone, add_pyramid
from mindrcnn.onnx_export.detections import Detections, add_detections
from mindrcnn.onnx_export.graph import BOOL, FLOAT, INT32, UINT8, Graph, Size
from mindrcnn.onnx_export.layers import add_pixels
from mindrcnn.onnx_export.layout import ANY_SHAPE, FIXED_SHAPE
from mindrcnn.onnx_export.masks import add_mask_outputs
from mindrcnn.onnx_export.proposals import add_proposals

IMAGES, IMAGE_SIZES = "images", "image_sizes"


def build_onnx(
    detector: TwoStageDetector, *, shape: tuple[int, int, int] | None = None, metadata: Mapping[str, str] | None = None
) -> ModelProto:
    """Returns the detector's predict as an ONNX model.

    detector: with its parameters; its training mode does not matter.
    shape: batch, height and width, which then are fixed, as are all shapes before and after the suppression of boxes;
        None takes any.
    metadata: texts that the file carries.
    Raises InputError for a part without an ONNX form.
    """
    graph = Graph()
    layout = ANY_SHAPE if shape is None else FIXED_SHAPE
    named = shape or ("batch", "height", "width")
    images = graph.input(IMAGES, UINT8, (named[0], 3, *named[1:]))
    image_sizes = graph.input(IMAGE_SIZES, INT32, (named[0], 2))
    batch: Size
    height: Size
    width: Size
    batch, height, width = shape or (graph.size_of(images, 0), graph.size_of(images, 2), graph.size_of(images, 3))
    with graph.scope("backbone"):
        pixels = add_pixels(graph, detector.pixels, images, image_sizes, height, width)
        features = add_backbone(detector.backbone, graph, pixels)
    with graph.scope("neck"):
        pyramid = add_pyramid(graph, detector.neck, features, batch, height, width)
    with graph.scope("rpn"):
        proposals = add_proposals(graph, detector.rpn, pyramid, image_sizes)
    with graph.scope("box"):
        detections = add_detections(graph, detector.box, layout, pyramid, proposals, image_sizes)
    _add_outputs(graph, detections, named[0])
    if detector.mask is not None:
        with graph.scope("mask"):
            masks = add_mask_outputs(graph, detector.mask, layout, pyramid, detections)
        slots = _named(detections.slots)
        graph.output("masks", masks.masks, FLOAT, (named[0], slots, masks.side, masks.side))
        graph.output("mask_scores", masks.scores, FLOAT, (named[0], slots))
    return graph.model(metadata or {})


def _add_outputs(graph: Graph, found: Detections, batch: int | str) -> None:
    shape = (batch, _named(found.slots))
    graph.output("boxes", found.boxes, FLOAT, (*shape, 4))
    graph.output("scores", found.scores, FLOAT, shape)
    graph.output("labels", graph.Cast(found.labels, to=INT32), INT32, shape)
    graph.output("valid", found.valid, BOOL, shape)


def _named(size: Size) -> int | str:
    return size if isinstance(size, int) else "detections"
