"""Box regression targets: the R-CNN parametrisation (Girshick et al., https://arxiv.org/abs/1311.2524, appendix C)."""

import math

from mindspore import Tensor, ops

# A box grows at most 1000 / 16 times, which keeps exp finite; the number of Detectron, detectron2 and torchvision.
MAX_LOG_SCALE = math.log(1000.0 / 16.0)

# Shorter sides, in pixels, are treated as this long, so that log and division stay finite on empty boxes.
MIN_SIDE = 1e-3

CoderWeights = tuple[float, float, float, float]


def encode(boxes: Tensor, references: Tensor, weights: CoderWeights) -> Tensor:
    """Returns the deltas (..., 4), (dx, dy, dw, dh) times weights, that turn references (..., 4) into boxes (..., 4).

    Both are in the same pixels and of one shape. The result is finite for boxes without area.
    """
    weight_x, weight_y, weight_w, weight_h = weights
    ref_x, ref_y, ref_w, ref_h = _centre_size(references)
    box_x, box_y, box_w, box_h = _centre_size(boxes)
    ref_w, ref_h = _at_least_min_side(ref_w), _at_least_min_side(ref_h)
    box_w, box_h = _at_least_min_side(box_w), _at_least_min_side(box_h)
    return ops.stack(
        (
            weight_x * (box_x - ref_x) / ref_w,
            weight_y * (box_y - ref_y) / ref_h,
            weight_w * ops.log(box_w / ref_w),
            weight_h * ops.log(box_h / ref_h),
        ),
        axis=-1,
    )


def decode(deltas: Tensor, references: Tensor, weights: CoderWeights) -> Tensor:
    """Returns the boxes (..., 4) that deltas (..., 4) make of references (..., 4) of the same shape; inverse of encode.

    dw and dh are capped at MAX_LOG_SCALE.
    """
    weight_x, weight_y, weight_w, weight_h = weights
    ref_x, ref_y, ref_w, ref_h = _centre_size(references)
    dx, dy, dw, dh = ops.unstack(deltas, axis=-1)
    centre_x = ref_x + dx / weight_x * ref_w
    centre_y = ref_y + dy / weight_y * ref_h
    half_w = 0.5 * ref_w * ops.exp(_at_most_max_log(dw / weight_w))
    half_h = 0.5 * ref_h * ops.exp(_at_most_max_log(dh / weight_h))
    return ops.stack((centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h), axis=-1)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = ops.unstack(boxes, axis=-1)
    width, height = x2 - x1, y2 - y1
    return x1 + 0.5 * width, y1 + 0.5 * height, width, height


def _at_least_min_side(side: Tensor) -> Tensor:
    return ops.clamp(side, min=MIN_SIDE)


def _at_most_max_log(scale: Tensor) -> Tensor:
    return ops.minimum(scale, MAX_LOG_SCALE)  # ops.clamp has no Ascend adapter: such files stay exportable
