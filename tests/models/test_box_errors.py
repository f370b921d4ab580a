"""GIoU of decoded boxes against float64 loops of fvcore's and mmdetection's formulas, and the box loss made of it."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.box_branch import BoxLoss
from mindrcnn.models.box_errors import GIoUError
from mindrcnn.ops.losses import giou_loss

CODER = (10.0, 10.0, 5.0, 5.0)
Box = np.ndarray


def fvcore(box: Box, gt: Box) -> float:
    """Loss of one pair of boxes, by fvcore's giou_loss, which detectron2 uses."""
    eps, shared = 1e-7, 0.0
    left, top, right, bottom = *np.maximum(box[:2], gt[:2]), *np.minimum(box[2:], gt[2:])
    if right > left and bottom > top:
        shared = (right - left) * (bottom - top)
    union = math.prod(box[2:] - box[:2]) + math.prod(gt[2:] - gt[:2]) - shared
    hull = math.prod(np.maximum(box[2:], gt[2:]) - np.minimum(box[:2], gt[:2]))
    return 1 - (shared / (union + eps) - (hull - union) / (hull + eps))


def mmdetection(box: Box, gt: Box) -> float:
    """Loss of one pair of boxes, by mmdetection's bbox_overlaps(mode="giou") with its GIoULoss's eps."""
    eps = 1e-6
    shared = math.prod(np.clip(np.minimum(box[2:], gt[2:]) - np.maximum(box[:2], gt[:2]), 0, None))
    union = max(math.prod(box[2:] - box[:2]) + math.prod(gt[2:] - gt[:2]) - shared, eps)
    hull = max(math.prod(np.maximum(box[2:], gt[2:]) - np.minimum(box[:2], gt[:2])), eps)
    return 1 - (shared / union - (hull - union) / hull)


def decoded(delta: np.ndarray, reference: Box) -> Box:
    centre, size = (reference[:2] + reference[2:]) / 2, reference[2:] - reference[:2]
    plain = delta / CODER
    centre = centre + plain[:2] * size
    half = size * np.exp(np.minimum(plain[2:], math.log(1000 / 16))) / 2
    return np.concatenate([centre - half, centre + half])


BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 4, 4], [2, 2, 5, 7], [0, 0, 9, 3], [5, 5, 5, 5]], np.float32)
TARGETS = np.array([[0, 0, 10, 10], [5, 5, 15, 15], [8, 8, 9, 9], [0, 0, 9, 9], [3, 0, 6, 3], [5, 5, 5, 5]], np.float32)


@pytest.mark.parametrize("function", [giou_loss, ms.jit(giou_loss)], ids=["pynative", "graph"])
def test_giou_loss_is_that_of_both_libraries(function) -> None:
    found = function(Tensor(BOXES), Tensor(TARGETS)).asnumpy()
    for formula in (fvcore, mmdetection):
        wanted = [formula(*pair) for pair in zip(BOXES.astype(float), TARGETS.astype(float), strict=True)]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[2] > 1  # apart


def make_case() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (2, 4, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 20, (2, 4, 2))], axis=2).astype(np.float32)
    boxes[0, 3] = 0
    gt_boxes = np.zeros((2, 3, 4), np.float32)
    gt_boxes[:, :2] = [[[3, 4, 20, 24], [8, 10, 30, 33]], [[1, 1, 9, 9], [12, 3, 40, 29]]]
    return {
        "logits": rng.normal(size=(8, 4)).astype(np.float32),
        "deltas": rng.normal(size=(8, 3, 4)).astype(np.float32),
        "boxes": boxes,
        "labels": np.array([[3, 1, 0, 0], [2, 0, 0, 0]], np.int32),
        "valid": np.array([[True, True, True, False], [True] * 4]),
        "matched": np.array([[1, 0, 2, 2], [1, 2, 2, 2]], np.int32),  # unused ground-truth slots included
        "gt_boxes": gt_boxes,
    }


def test_box_loss_is_the_sum_over_positives_by_the_number_of_samples() -> None:
    """As detectron2's FastRCNNOutputLayers and mmdetection's BBoxHead, whose avg_factor is the number of samples."""
    case = make_case()
    loss = BoxLoss(box_error=GIoUError(coder_weights=CODER), class_weight=1.0, box_weight=10.0)

    def box_loss(deltas: Tensor) -> Tensor:
        tensors = {name: Tensor(array) for name, array in case.items()}
        samples = tuple(tensors[name] for name in ("boxes", "labels", "valid", "matched"))
        return loss(tensors["logits"], deltas, samples, tensors["gt_boxes"])[1]

    value, gradient = ms.value_and_grad(box_loss)(Tensor(case["deltas"]))
    positives = [(0, 0, 2, 1), (0, 1, 0, 0), (1, 0, 1, 1)]  # image, slot, class, object

    def wanted(deltas: np.ndarray) -> float:
        errors = [
            fvcore(
                decoded(deltas[4 * image + slot, label], case["boxes"][image, slot].astype(float)),
                case["gt_boxes"][image, gt].astype(float),
            )
            for image, slot, label, gt in positives
        ]
        return 10 * sum(errors) / 7

    deltas = case["deltas"].astype(float)
    assert float(value) == pytest.approx(wanted(deltas), rel=1e-5)
    numeric = np.zeros_like(deltas)
    for image, slot, label, _ in positives:
        for axis in range(4):
            index, step = (4 * image + slot, label, axis), 1e-5
            up, down = deltas.copy(), deltas.copy()
            up[index] += step
            down[index] -= step
            numeric[index] = (wanted(up) - wanted(down)) / (2 * step)
    np.testing.assert_allclose(gradient.asnumpy(), numeric, rtol=1e-3, atol=1e-5)
