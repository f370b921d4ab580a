"""Parameters and multiply-adds of a detector, counted from the shapes of its layers.

Convolutions and fully connected layers are counted, which do nearly all of the arithmetic; normalisation, activations,
pooling and the selection of boxes are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from mindspore import nn

from mindrcnn.models.backbones.base import StagedBackbone
from mindrcnn.models.box_branch import BoxBranch
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.models.mask_branch import MaskBranch
from mindrcnn.models.mask_scoring_branch import MaskScoringBranch
from mindrcnn.models.point_rend_branch import PointRendBranch
from mindrcnn.models.rpn import STRIDES

_SHORTCUT = "shortcut"  # part of the name of a convolution beside the others of its block


def count_parameters(detector: nn.Cell) -> tuple[int, int]:
    """Returns the number of parameters, and of those that train."""
    sizes = [(math.prod(parameter.shape), parameter.requires_grad) for parameter in detector.get_parameters()]
    return sum(size for size, _ in sizes), sum(size for size, trains in sizes if trains)


def count_multiply_adds(
    detector: TwoStageDetector, height: int, width: int, *, proposals: int, detections: int
) -> int | None:
    """Returns the multiply-adds of one image at inference; None for a part that another package has added.

    height, width: the network's input.
    proposals, detections: boxes that the second stage and the mask branch compute.
    """
    if not isinstance(detector.backbone, StagedBackbone):
        return None
    mask = _mask_branch(detector.mask) if detector.mask is not None else 0
    if mask is None:
        return None
    maps = [math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES]
    return (
        count_backbone(detector.backbone, height, width)
        + sum(
            _weights(*_layers(lateral), *_layers(output)) * cells
            for lateral, output, cells in zip(detector.neck.laterals, detector.neck.outputs, maps[:-1], strict=True)
        )
        + _weights(*_layers(detector.rpn.head)) * sum(maps)
        + _box_head(detector.box) * proposals
        + mask * detections
    )


def count_backbone(backbone: StagedBackbone, height: int, width: int) -> int:
    """Returns the multiply-adds of a backbone for an input of height x width."""
    return sum(_weights(layer) * cells for layer, cells in backbone_layers(backbone, height, width))


def backbone_layers(
    backbone: StagedBackbone, height: int, width: int, *, first: int = 0
) -> Iterator[tuple[nn.Conv2d, int]]:
    """Yields each convolution from stage `first` on, of which the stem is 0, and the cells of its output."""
    if not first:
        yield from _chain(backbone.stem, 1, height, width)
    stages = (backbone.stage2, backbone.stage3, backbone.stage4, backbone.stage5)
    for number, (stage, ends_at) in enumerate(zip(stages, backbone.strides, strict=True), start=1):
        if number >= first:
            convolutions = (layer for name, layer in _convolutions(stage) if _SHORTCUT not in name)
            yield from _chain(stage, ends_at // math.prod(_stride(layer) for layer in convolutions), height, width)


def _chain(cell: nn.Cell, stride: int, height: int, width: int) -> Iterator[tuple[nn.Conv2d, int]]:
    """Yields the convolutions of a cell, on a map of the given stride, and the cells of their outputs."""
    for name, layer in _convolutions(cell):
        if _SHORTCUT not in name:
            stride *= _stride(layer)
        yield layer, math.ceil(height / stride) * math.ceil(width / stride)


def _box_head(branch: BoxBranch) -> int:
    """Returns the multiply-adds of one proposal."""
    convs = _weights(*_layers(branch.head.convs))
    return _weights(*_layers(branch.head)) + convs * (branch.pooler.resolution**2 - 1)


def _mask_branch(branch: nn.Cell) -> int | None:
    """Returns the multiply-adds of one detection; None for another package's branch."""
    if isinstance(branch, MaskBranch):
        return _mask_head(branch)
    if isinstance(branch, MaskScoringBranch):
        side, total = branch.mask.pooler.resolution, _mask_head(branch.mask)
        for layer in branch.iou_head.convs:
            side = math.ceil(side / _stride(layer))
            total += _weights(layer) * side**2
        return total + _weights(branch.iou_head.fc1, branch.iou_head.fc2, branch.iou_head.iou)
    if isinstance(branch, PointRendBranch):
        coarse, head = branch.coarse_head, branch.point_head
        points = branch.first_side**2 + branch.steps * branch.subdivision_points
        # Of the last layer only the row of the box's own class is computed.
        a_point = _weights(*head.fcs) + head.predictor.weight.shape[1]
        return (
            _weights(coarse.reduce) * coarse.side**2
            + _weights(coarse.fc1, coarse.fc2, coarse.prediction)
            + a_point * points
        )
    return None


def _mask_head(branch: MaskBranch) -> int:
    """Returns the multiply-adds of one box, of which only the mask of its own class is computed."""
    head, cells = branch.head, branch.pooler.resolution**2
    own_mask = head.mask_logits.weight.shape[1] * 4 * cells
    return (_weights(*_layers(head.convs)) + _weights(head.upsample)) * cells + own_mask


def _convolutions(cell: nn.Cell) -> Iterable[tuple[str, nn.Conv2d]]:
    return ((name, layer) for name, layer in cell.cells_and_names() if isinstance(layer, nn.Conv2d))


def _layers(cell: nn.Cell) -> list[nn.Cell]:
    return [layer for _, layer in cell.cells_and_names() if isinstance(layer, nn.Conv2d | nn.Dense)]


def _weights(*layers: nn.Cell) -> int:
    """Returns the weights of layers without their biases: the multiply-adds of one cell of their outputs."""
    return sum(math.prod(layer.weight.shape) for layer in layers)


def _stride(layer: nn.Conv2d) -> int:
    return int(layer.stride[0])
