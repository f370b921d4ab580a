"""Box geometry. Boxes are (x1, y1, x2, y2) float32 pixels with no "+1": a box of equal corners has area 0.

Letters in shapes: B images, N and M boxes.
"""

from mindspore import Tensor, ops

# Added to denominators so that boxes without area give 0 / this, not 0 / 0; float32 loses it beside any area above 1e-4
# square pixels.
_NO_AREA = 1e-12


def area(boxes: Tensor) -> Tensor:
    """Areas of boxes [..., 4] as [...]; 0 for a box whose corners are equal or swapped."""
    width = ops.relu(boxes[..., 2] - boxes[..., 0])
    height = ops.relu(boxes[..., 3] - boxes[..., 1])
    return width * height


def clip(boxes: Tensor, image_sizes: Tensor) -> Tensor:
    """Boxes [B, N, 4] limited to their image: x to 0..w and y to 0..h, with image_sizes [B, 2] int32 (h, w)."""
    sizes = image_sizes.astype(boxes.dtype)
    height, width = sizes[:, 0], sizes[:, 1]
    limit = ops.stack((width, height, width, height), axis=-1).expand_dims(1)
    # tiled first: Minimum that broadcasts is far slower than Tile and a plain Minimum on the CPU
    return ops.minimum(ops.relu(boxes), ops.tile(limit, (1, boxes.shape[1], 1)))


def valid_size(boxes: Tensor, min_size: float) -> Tensor:
    """bool [...]: both sides of boxes [..., 4] are larger than min_size pixels."""
    wide = boxes[..., 2] - boxes[..., 0] > min_size
    high = boxes[..., 3] - boxes[..., 1] > min_size
    return ops.logical_and(wide, high)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of every box of a [N, 4] with every box of b [M, 4] as [N, M]; see pairwise_iou_batched."""
    return pairwise_iou_batched(a.expand_dims(0), b.expand_dims(0))[0]


def pairwise_iou_batched(a: Tensor, b: Tensor) -> Tensor:
    """IoU of every box of a [B, N, 4] with every box of b [B, M, 4] of the same image as [B, N, M] in 0..1.

    Boxes without area have IoU 0 with everything, themselves included.
    """
    inter = _pairwise_intersection(a, b)
    a, b = ops.depend(a, inter), ops.depend(b, inter)
    total = _repeat_columns(area(a) + _NO_AREA, b) + _repeat_rows(area(b), a)
    return ops.RealDiv()(inter, total - inter)


def pairwise_ioa_batched(regions: Tensor, boxes: Tensor) -> Tensor:
    """Share of each of boxes [B, M, 4] that lies inside each of regions [B, N, 4], as [B, N, M] in 0..1.

    A box without area has share 0.
    """
    inter = _pairwise_intersection(regions, boxes)
    return ops.RealDiv()(inter, _repeat_rows(area(boxes) + _NO_AREA, regions))


# All anchors of an image times its objects are 126 MB a tensor. `depend` makes a compiled graph finish and free one
# step before the next begins (else it makes all tiles at once), and RealDiv, unlike `/`, takes no scratch copies on the
# CPU.


def _pairwise_intersection(a: Tensor, b: Tensor) -> Tensor:
    width = _pairwise_overlap(a[..., 0], a[..., 2], b[..., 0], b[..., 2])
    a, b = ops.depend(a, width), ops.depend(b, width)
    return width * _pairwise_overlap(a[..., 1], a[..., 3], b[..., 1], b[..., 3])


def _pairwise_overlap(a_low: Tensor, a_high: Tensor, b_low: Tensor, b_high: Tensor) -> Tensor:
    """Length that intervals [B, N] share with intervals [B, M], as [B, N, M]."""
    high = ops.minimum(_repeat_columns(a_high, b_high), _repeat_rows(b_high, a_high))
    a_low, b_low = ops.depend(a_low, high), ops.depend(b_low, high)
    low = ops.maximum(_repeat_columns(a_low, b_low), _repeat_rows(b_low, a_low))
    return ops.relu(high - low)


def _repeat_columns(values: Tensor, others: Tensor) -> Tensor:
    """values [B, N] as [B, N, M], with others [B, M, ...]."""
    return ops.tile(values.expand_dims(2), (1, 1, others.shape[1]))


def _repeat_rows(values: Tensor, others: Tensor) -> Tensor:
    """values [B, M] as [B, N, M], with others [B, N, ...]."""
    return ops.tile(values.expand_dims(1), (1, others.shape[1], 1))
