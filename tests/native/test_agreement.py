"""Agreement of the kernels with MindSpore's operators, degenerate boxes included."""

from collections.abc import Callable
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.native.switch import in_use, portable_only
from mindrcnn.ops.assignment import assign
from mindrcnn.ops.mask_targets import crop_masks
from mindrcnn.ops.nms import nms, nms_per_class
from mindrcnn.ops.point_sample import point_sample, sample_maps
from mindrcnn.ops.roi_align import ADAPTIVE, roi_align

STRIDES = (4, 8, 16, 32)
IMAGES, SLOTS, CHANNELS, RESOLUTION = 2, 30, 3, 3
Arrays = list[np.ndarray]

ODD_BOXES = (
    (0, 0, np.nan, 40),
    (np.nan, np.nan, np.nan, np.nan),
    (-1e9, -1e9, 1e9, 1e9),
    (1e9, 1e9, 2e9, 2e9),
    (-np.inf, 0, np.inf, 10),
    (50, 60, 20, 10),
)


class Call(nn.Cell):
    """A function's results."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        return self.function(*tensors)


class CallAndGradient(Call):
    """A function's result, and the gradients of the first four arguments."""

    def construct(self, *tensors):  # type: ignore[no-untyped-def]
        result = self.function(*tensors)
        return (result, *ops.GradOperation(get_all=True, sens_param=True)(self.function)(*tensors, result)[:4])


@pytest.fixture
def both(mode: str) -> Callable[..., tuple[Arrays, Arrays]]:
    """both(cell class, function, *arrays) -> results of MindSpore's operators and of the kernels."""
    if not in_use():
        pytest.skip("no native kernels here")

    def call(kind: type[nn.Cell], function: Callable[..., Any], *arrays: np.ndarray) -> tuple[Arrays, Arrays]:
        tensors = [Tensor(array) for array in arrays]
        with portable_only():
            portable = kind(function)(*tensors)
        native = kind(function)(*tensors)
        return as_arrays(portable), as_arrays(native)

    return call


def as_arrays(results: Any) -> Arrays:
    return [result.asnumpy() for result in (results if isinstance(results, tuple) else (results,))]


def ordinary_boxes(rng: np.random.Generator) -> np.ndarray:
    corner = rng.uniform(0, 1, (IMAGES, SLOTS, 2)) * (640, 480)
    side = np.exp(rng.uniform(0, 6.4, (IMAGES, SLOTS, 2)))
    boxes = np.concatenate([corner - side / 2, corner + side / 2], -1)
    return np.clip(boxes, 0, (640, 480) * 2).astype(np.float32)


def features(rng: np.random.Generator) -> Arrays:
    shapes = [(IMAGES, CHANNELS, 480 // stride, 640 // stride) for stride in STRIDES]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def pool(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    """Both conventions, concatenated along the boxes."""
    results = ()
    for aligned in (True, False):
        results += (
            roi_align(
                (p2, p3, p4, p5), STRIDES, boxes, valid, resolution=RESOLUTION, sampling_ratio=2, aligned=aligned
            ),
        )
    return ops.cat(results)


def pool_adaptive(p2: Tensor, p3: Tensor, p4: Tensor, p5: Tensor, boxes: Tensor, valid: Tensor) -> Tensor:
    return roi_align(
        (p2, p3, p4, p5), STRIDES, boxes, valid, resolution=RESOLUTION, sampling_ratio=ADAPTIVE, aligned=True
    )


def test_roi_align(both) -> None:
    rng = np.random.default_rng(0)
    boxes, valid = ordinary_boxes(rng), rng.random((IMAGES, SLOTS)) < 0.8
    boxes[:, 0] = (3, 2, 640, 470), (30, 40, 350, 300)  # P5 and P4
    boxes[0, 1:7] = ODD_BOXES
    valid[:, :7] = True
    portable, native = both(CallAndGradient, pool, *features(rng), boxes, valid)
    for wanted, got in zip(portable, native, strict=True):
        assert wanted.any()
        np.testing.assert_allclose(got, wanted, atol=1e-4)  # a gradient is a sum of many


def test_images_of_another_shape(mode: str) -> None:
    """Pooled values of the same shape, as in training with buckets: PyNative mode caches shapes."""
    if not in_use():
        pytest.skip("no native kernels here")
    rng = np.random.default_rng(7)
    boxes, valid = Tensor(ordinary_boxes(rng)), Tensor(np.ones((IMAGES, SLOTS), bool))
    wide = features(rng)
    for arrays in (wide, [array.transpose(0, 1, 3, 2).copy() for array in wide]):
        _, *gradients = CallAndGradient(pool)(*(Tensor(array) for array in arrays), boxes, valid)
        assert [gradient.shape for gradient in gradients] == [array.shape for array in arrays]


def test_adaptive_roi_align_of_odd_boxes() -> None:
    """In one mode only: tests/ops compares both with loops on boxes inside the image."""
    if not in_use():
        pytest.skip("no native kernels here")
    rng = np.random.default_rng(1)
    boxes = ordinary_boxes(rng)
    boxes[0, :6] = ODD_BOXES
    pooled = pool_adaptive(*(Tensor(array) for array in (*features(rng), boxes, np.ones((IMAGES, SLOTS), bool))))
    pooled = pooled.asnumpy()
    assert np.isfinite(pooled).all()
    assert (pooled[[0, 1, 3, 5]] == 0).all()
    assert pooled[6:].any(axis=(1, 2, 3)).all()


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
    return nms(boxes, scores, valid, 0.5), nms_per_class(boxes, scores, labels, valid, 0.5)


def kept_scores(scores: Tensor, boxes: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    keep, per_class = suppress(boxes, scores, labels, valid)
    return (scores * keep.astype(ms.float32)).sum() + (scores * per_class.astype(ms.float32)).sum()


def test_nms(both) -> None:
    """Whole-number corners: many IoUs equal the threshold exactly. Row 1 also has degenerate boxes."""
    rng = np.random.default_rng(2)
    corner, side = rng.integers(0, 40, (IMAGES, 300, 2)), rng.integers(0, 20, (IMAGES, 300, 2))
    boxes = np.concatenate([corner, corner + side], -1).astype(np.float32)
    scores = np.tile(np.linspace(1, 0, 300, dtype=np.float32), (IMAGES, 1))
    labels = rng.integers(0, 3, (IMAGES, 300)).astype(np.int32)
    valid = rng.random((IMAGES, 300)) < 0.9
    boxes[1, 7] = boxes[1, 7, [2, 3, 0, 1]]
    boxes[1, 8] = (-100, -100, 100, 100)
    boxes[1, ::50] = np.nan
    valid[1, ::50] = False
    scores[1, 3] = np.nan
    portable, native = both(Call, suppress, boxes, scores, labels, valid)
    np.testing.assert_array_equal(native[0], portable[0])
    np.testing.assert_array_equal(native[1], portable[1])
    assert 0 < native[0].sum() < native[1].sum() < valid.sum()


def test_the_gradient_goes_past_the_kernels(mode: str) -> None:
    """MindSpore rejects an operator without a gradient on a gradient's path."""
    if not in_use():
        pytest.skip("no native kernels here")
    boxes = Tensor(np.array([[[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]]], np.float32))
    scores, labels, valid = Tensor([[3.0, 2.0, 1.0]]), Tensor([[0, 1, 0]], ms.int32), Tensor([[True, True, False]])
    gradient = ms.grad(kept_scores, grad_position=(0, 1))(scores, boxes, labels, valid)
    np.testing.assert_array_equal(gradient[0].asnumpy(), [[2, 1, 0]])
    np.testing.assert_array_equal(gradient[1].asnumpy(), np.zeros((1, 3, 4)))


def assign_all_ways(boxes: Tensor, gt_boxes: Tensor, valid: Tensor, crowd: Tensor) -> tuple[Tensor, ...]:
    results = ()
    for low_quality in ("off", "keep", "overwrite"):
        results += assign(
            boxes,
            gt_boxes,
            valid,
            crowd,
            fg_thresh=0.5,
            bg_thresh=0.3,
            low_quality=low_quality,
            low_quality_min_iou=0.1,
        )
    return results


def test_assignment(both) -> None:
    rng = np.random.default_rng(3)
    boxes = np.concatenate([ordinary_boxes(rng) for _ in range(60)], axis=1)
    boxes[0, :5] = (0, 0, 1e12, 1e12), (-1e12, -1e12, 1e12, 1e12), (5, 5, 5, 5), (9, 9, 1, 1), (0, 0, 0, 0)
    gt_boxes = ordinary_boxes(rng)
    valid, crowd = rng.random((IMAGES, SLOTS)) < 0.6, rng.random((IMAGES, SLOTS)) < 0.2
    portable, native = both(Call, assign_all_ways, boxes, gt_boxes, valid & ~crowd, crowd)
    for wanted, got in zip(portable, native, strict=True):
        assert len(np.unique(got)) > 2
        np.testing.assert_array_equal(got, wanted)


def points_of_all_kinds(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Points in cells of a map of 160 x 120: inside, outside, on centres and borders, coincident, degenerate."""
    points = (rng.uniform(-0.1, 1.1, (*shape, 2)) * (160, 120)).astype(np.float32)
    points[:, : shape[1] // 2] = np.round(points[:, : shape[1] // 2] * 2) / 2
    points[:, 1] = points[:, 0]
    odd = (np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38)
    points[0, :12, 0] = points[1, 6:18, 1] = (*odd, *odd)
    return points


def sample_p2(p2: Tensor, points: Tensor, map_index: Tensor) -> Tensor:
    """Transposed as PointRend's coarse head takes them, and read again as one map per row."""
    samples = sample_maps(p2, map_index, points).transpose(0, 2, 1)
    shares = ops.stop_gradient(points / 160)
    return ops.concat((samples, point_sample(samples.reshape((-1, CHANNELS, 10, 30)), shares).transpose(0, 2, 1)))


def test_point_sample(both) -> None:
    rng = np.random.default_rng(4)
    p2 = rng.standard_normal((IMAGES, CHANNELS, 120, 160)).astype(np.float32)
    map_index = np.sort(rng.integers(0, IMAGES, 20)).astype(np.int32)
    portable, native = both(CallAndGradient, sample_p2, p2, points_of_all_kinds(rng, (20, 300)), map_index)
    for wanted, got in zip(portable[:2], native[:2], strict=True):  # without the points' gradient, zeros
        assert wanted.any()
        np.testing.assert_allclose(got, wanted, atol=1e-4)
    assert not native[2].any()


def sample_rows(maps: Tensor, points: Tensor, map_index: Tensor) -> Tensor:
    return sample_maps(maps, map_index, points)


def test_point_sample_of_small_maps(both) -> None:
    """More channels than the kernel processes in one pass."""
    rng = np.random.default_rng(9)
    maps = rng.standard_normal((IMAGES, 37, 12, 16)).astype(np.float32)
    map_index = np.sort(rng.integers(0, IMAGES, 20)).astype(np.int32)
    points = points_of_all_kinds(rng, (20, 300)) / np.float32(10)
    portable, native = both(CallAndGradient, sample_rows, maps, points, map_index)
    for wanted, got in zip(portable[:2], native[:2], strict=True):
        assert wanted.any()
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def sample_bytes(scale: Tensor, masks: Tensor, points: Tensor) -> Tensor:
    index = ops.arange(masks.shape[0]).astype(ms.int32)
    return sample_maps(masks, index, points) * scale


def test_point_sample_of_bytes(both) -> None:
    """Under a gradient, which flows to the factor of the samples."""
    rng = np.random.default_rng(5)
    masks = rng.integers(0, 2, (20, 1, 120, 160)).astype(np.uint8)
    scale, points = np.float32([1.5]), points_of_all_kinds(rng, (20, 300))
    portable, native = both(CallAndGradient, sample_bytes, scale, masks, points)
    for wanted, got in zip(portable[:2], native[:2], strict=True):
        assert wanted.any()
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def crop_weighted(scale: Tensor, masks: Tensor, gt_boxes: Tensor, matched: Tensor, boxes: Tensor) -> Tensor:
    return crop_masks(masks, gt_boxes, matched, boxes, 28) * scale


def test_mask_targets(both) -> None:
    """Bit by bit, even where a value is exactly 0.5. Under a gradient, which does not flow through them."""
    rng = np.random.default_rng(6)
    masks = rng.integers(0, 2, (IMAGES, SLOTS, 112, 112)).astype(np.uint8)
    masks[:, ::2] = np.kron(masks[:, ::2, ::28, ::28], np.ones((28, 28), np.uint8))
    gt_boxes, matched = ordinary_boxes(rng), rng.integers(0, SLOTS, (IMAGES, 3 * SLOTS)).astype(np.int32)
    boxes = np.take_along_axis(gt_boxes, matched[..., None], axis=1)
    boxes[:, SLOTS:] += rng.uniform(-20, 20, (IMAGES, 2 * SLOTS, 4)).astype(np.float32)
    boxes[1, 40:60] = np.tile(boxes[1, :20, 2:], 2)  # every point in the corner of the object's box
    matched[1, 40:60] = matched[1, :20]
    boxes[0, 50:56] = gt_boxes[1, :6] = ODD_BOXES
    portable, native = both(CallAndGradient, crop_weighted, np.float32([1.0]), masks, gt_boxes, matched, boxes)
    assert 0.1 < native[0].mean() < 0.9
    np.testing.assert_array_equal(native[0], portable[0])
    np.testing.assert_array_equal(native[1], portable[1])
