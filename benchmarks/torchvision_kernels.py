"""torchvision's counterparts of this package's kernels."""

from collections.abc import Callable

import numpy as np
import torch
from pycocotools import mask as mask_api
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.roi_heads import paste_masks_in_image, project_masks_on_boxes
from torchvision.ops import MultiScaleRoIAlign, box_iou, nms, roi_align

from benchmarks import kernel_inputs as inputs
from benchmarks.scene import bitmaps
from benchmarks.worker import Prepared, repeated


def calls(function: Callable[[], Tensor | tuple[Tensor, ...]], leaves: list[Tensor], *, backward: bool) -> Prepared:
    """Prepares calls of the function.

    backward: also compute the gradients of `leaves`, with the result as its own upstream gradient.
    """
    for leaf in leaves:
        leaf.requires_grad_(backward)

    def call() -> None:
        if not backward:
            with torch.inference_mode():
                function()
            return
        for leaf in leaves:
            leaf.grad = None
        result = function()
        assert isinstance(result, Tensor)
        result.backward(result.detach())

    return Prepared(run=repeated(call))


def pool(*, boxes: int, resolution: int, one_level: bool, backward: bool) -> Prepared:
    """Prepares ROIAlign of one level, or with the choice of levels of a pyramid."""
    given = inputs.pooling_inputs(boxes, one_level=one_level)
    features = [torch.from_numpy(feature) for feature in given.features]
    places = [torch.from_numpy(given.boxes)]
    if one_level:
        scale = 1 / inputs.STRIDES[0]

        def run() -> Tensor:
            return roi_align(features[0], places, resolution, scale, sampling_ratio=2, aligned=True)

        return calls(run, features[:1], backward=backward)
    names = [str(level) for level in range(len(features))]
    pooler = MultiScaleRoIAlign(names, resolution, sampling_ratio=2)
    levels = dict(zip(names, features, strict=True))
    return calls(lambda: pooler(levels, places, [(inputs.HEIGHT, inputs.WIDTH)]), features, backward=backward)


def suppress(*, boxes: int, rows: int = 1) -> Prepared:
    """Prepares NMS at 0.7, one set after the other as torchvision's detectors do."""
    places, scores = torch.from_numpy(inputs.boxes_of(boxes)), torch.from_numpy(inputs.scores_of(boxes))
    return calls(lambda: tuple(nms(places, scores, 0.7) for _ in range(rows)), [], backward=False)


def match(*, objects: int) -> Prepared:
    """Prepares the IoU matrix and the matcher as the RPN uses them."""
    anchors, gt = torch.from_numpy(inputs.boxes_of(inputs.ANCHORS)), torch.from_numpy(inputs.boxes_of(objects))
    matcher = Matcher(0.7, 0.3, allow_low_quality_matches=True)
    return calls(lambda: matcher(box_iou(gt, anchors)), [], backward=False)


def crop(*, samples: int, objects: int, side: int) -> Prepared:
    """Prepares mask targets of samples, from masks of the whole image."""
    gt_boxes = inputs.boxes_of(objects)
    masks = torch.from_numpy(bitmaps(gt_boxes, height=inputs.HEIGHT, width=inputs.WIDTH))
    matched = torch.from_numpy(np.arange(samples) % objects)
    places = torch.from_numpy(inputs.boxes_of(samples))
    return calls(lambda: project_masks_on_boxes(masks, places, matched, side), [], backward=False)


def sample(*, maps: int, channels: int, height: int, width: int, points: int, backward: bool) -> Prepared:
    """Prepares grid_sample."""
    table = torch.from_numpy(inputs.maps_of(maps, channels, height, width))
    grid = (2 * torch.from_numpy(inputs.points_of(maps, points)) - 1)[:, :, None]
    return calls(lambda: functional.grid_sample(table, grid, align_corners=False), [table], backward=backward)


def paste(*, masks: int, side: int) -> Prepared:
    """Prepares pasting masks into an 800x1344 image, thresholding, and pycocotools' encoder."""
    probabilities = torch.from_numpy(inputs.blobs(masks, side))[:, None]
    places = torch.from_numpy(inputs.boxes_of(masks, largest=inputs.HEIGHT))

    @torch.inference_mode()
    def call() -> None:
        pasted = paste_masks_in_image(probabilities, places, (inputs.HEIGHT, inputs.WIDTH))
        bitmap = (pasted[:, 0] >= 0.5).numpy().astype(np.uint8)
        mask_api.encode(np.asfortranarray(bitmap.transpose(1, 2, 0)))

    return Prepared(run=repeated(call))
