"""Outputs of a detector's layers that a training step keeps for the gradient, counted from the shapes of its layers.

Convolutions and fully connected layers that train are counted, and a fifth of their outputs a second time for what
activations and norms keep. That fifth is fitted to measurements, see docs/training.md.
"""

from __future__ import annotations

import math

from mindspore import nn

from mindrcnn.models.backbones.base import StagedBackbone
from mindrcnn.models.complexity import backbone_layers
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.models.mask_branch import MaskBranch
from mindrcnn.models.mask_scoring_branch import MaskScoringBranch
from mindrcnn.models.point_rend_branch import PointRendBranch
from mindrcnn.models.rpn import STRIDES

ACTIVATED = 1.2


def count_kept_outputs(
    detector: TwoStageDetector, height: int, width: int, *, samples: int, positives: int
) -> int | None:
    """Returns the numbers that one image keeps; None for a part that another package has added.

    height, width: the network's input.
    samples: boxes that train the second stage.
    positives: those of them that train the mask branch.
    """
    if not isinstance(detector.backbone, StagedBackbone):
        return None
    mask = 0 if detector.mask is None else _mask_outputs(detector.mask)
    if mask is None:
        return None
    maps = [math.ceil(height / stride) * math.ceil(width / stride) for stride in STRIDES]
    convolutions = backbone_layers(detector.backbone, height, width, first=detector.backbone.frozen_stages)
    neck = sum(
        (_outputs(lateral) + _outputs(output)) * cells
        for lateral, output, cells in zip(detector.neck.laterals, detector.neck.outputs, maps[:-1], strict=True)
    )
    box = detector.box.head
    return round(
        ACTIVATED
        * (
            sum(layer.out_channels * cells for layer, cells in convolutions)
            + neck
            + _outputs(detector.rpn.head) * sum(maps)
            + (box.fc1.weight.shape[1] + _outputs(box)) * samples
            + mask * positives
        )
    )


def _mask_outputs(branch: nn.Cell) -> int | None:
    """Returns the numbers that one box keeps in the mask branch; None for another package's branch."""
    if isinstance(branch, MaskScoringBranch):
        return _mask_outputs(branch.mask)  # the IoU head is small beside it
    if isinstance(branch, MaskBranch):
        head, cells = branch.head, branch.pooler.resolution**2
        channels = _outputs(head.convs)
        return (channels + 4 * (head.upsample.weight.shape[1] + head.mask_logits.weight.shape[0])) * cells
    if isinstance(branch, PointRendBranch):
        head = branch.point_head
        training = branch.training_points
        points = training.noise_count - training.candidates + training.uncertain
        return branch.coarse_head.fc1.weight.shape[1] + sum(fc.weight.shape[0] for fc in head.fcs) * points
    return None


def _outputs(cell: nn.Cell) -> int:
    """Returns the channels of all layers of a cell."""
    layers = (layer for _, layer in cell.cells_and_names() if isinstance(layer, nn.Conv2d | nn.Dense))
    return sum(layer.weight.shape[0] for layer in layers)
