"""Box geometry. Boxes are (x1, y1, x2, y2) float32 pixels with no "+1": a box with equal corners has area 0.

Letters in shapes: B images, N and M boxes.
"""

from mindspore import Tensor, ops

# Added to denominators so that boxes without area give 0 instead of 0 / 0; float32 rounds it away beside any area above
# 1e-4 square pixels.
_NO_AREA = 1e-12


def area(boxes: Tensor) -> Tensor:
    """Returns the areas (...) of boxes (..., 4); 0 for a box whose corners are equal or swapped."""
    x1, y1, x2, y2 = ops.unstack(boxes, axis=-1)
    return ops.relu(x2 - x1) * ops.relu(y2 - y1)


def clip(boxes: Tensor, image_sizes: Tensor) -> Tensor:
    """Clips boxes (B, N, 4) to their image, x to 0..w and y to 0..h; image_sizes (B, 2) int32 holds (h, w)."""
    sizes = image_sizes.astype(boxes.dtype)
    height, width = sizes[:, 0], sizes[:, 1]
    limit = ops.stack((width, height, width, height), axis=-1).expand_dims(1)
    # Tiled first: on the CPU a broadcasting Minimum is far slower than Tile and a plain Minimum.
    return ops.minimum(ops.relu(boxes), ops.tile(limit, (1, boxes.shape[1], 1)))


def valid_size(boxes: Tensor, min_size: float) -> Tensor:
    """Returns bool (...), True where both sides of boxes (..., 4) are longer than min_size pixels."""
    x1, y1, x2, y2 = ops.unstack(boxes, axis=-1)
    return ops.logical_and(x2 - x1 > min_size, y2 - y1 > min_size)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Returns the IoU (N, M) of every box in a (N, 4) with every box in b (M, 4); see pairwise_iou_batched."""
    return pairwise_iou_batched(a.expand_dims(0), b.expand_dims(0))[0]


def pairwise_iou_batched(a: Tensor, b: Tensor) -> Tensor:
    """Returns the IoU (B, N, M) in 0..1 of every box in a (B, N, 4) with every box in b (B, M, 4) of the same image.

    Boxes without area have IoU 0 with everything, themselves included.
    """
    inter = _pairwise_intersection(a, b)
    a, b = ops.depend(a, inter), ops.depend(b, inter)
    total = _repeat_columns(area(a) + _NO_AREA, b) + _repeat_rows(area(b), a)
    return ops.RealDiv()(inter, total - inter)


def pairwise_ioa_batched(regions: Tensor, boxes: Tensor) -> Tensor:
    """Returns the share (B, N, M) in 0..1 of each box (B, M, 4) that lies inside each region (B, N, 4).

    The share of a box without area is 0.
    """
    inter = _pairwise_intersection(regions, boxes)
    return ops.RealDiv()(inter, _repeat_rows(area(boxes) + _NO_AREA, regions))


# A tensor of all anchors of an image times its objects takes 126 MB. `depend` makes a compiled graph finish and free
# one step before the next begins (otherwise it makes all tiles at once), and RealDiv, unlike `/`, makes no scratch
# copies on the CPU.


def _pairwise_intersection(a: Tensor, b: Tensor) -> Tensor:
    width = _pairwise_overlap(a[..., 0], a[..., 2], b[..., 0], b[..., 2])
    a, b = ops.depend(a, width), ops.depend(b, width)
    return width * _pairwise_overlap(a[..., 1], a[..., 3], b[..., 1], b[..., 3])


def _pairwise_overlap(a_low: Tensor, a_high: Tensor, b_low: Tensor, b_high: Tensor) -> Tensor:
    """Returns the length (B, N, M) that intervals (B, N) share with intervals (B, M)."""
    high = ops.minimum(_repeat_columns(a_high, b_high), _repeat_rows(b_high, a_high))
    a_low, b_low = ops.depend(a_low, high), ops.depend(b_low, high)
    low = ops.maximum(_repeat_columns(a_low, b_low), _repeat_rows(b_low, a_low))
    return ops.relu(high - low)


def _repeat_columns(values: Tensor, others: Tensor) -> Tensor:
    """Repeats values (B, N) to (B, N, M) for others (B, M, ...)."""
    return ops.tile(values.expand_dims(2), (1, 1, others.shape[1]))


def _repeat_rows(values: Tensor, others: Tensor) -> Tensor:
    """Repeats values (B, M) to (B, N, M) for others (B, N, ...)."""
    return ops.tile(values.expand_dims(1), (1, others.shape[1], 1))
