"""RPN losses against a loop over anchors, with their gradients."""

import math
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.rpn import AnchorSampler, RPNLoss
from mindrcnn.models.sampling import CandidateSampler
from mindrcnn.ops.assignment import CROWD_OVERLAP

COUNT, MAX_POSITIVES = 10, 5
CLASS_WEIGHT, BOX_WEIGHT, BETA = 2.0, 3.0, 0.3
FG_IOU, BG_IOU = 0.6, 0.35
Arrays = dict[str, np.ndarray]


def build_loss(normalizer: str = "sampled", beta: float = BETA) -> RPNLoss:
    sampler = AnchorSampler(
        candidates=CandidateSampler(
            fg_iou_thresh=FG_IOU,
            bg_iou_thresh=BG_IOU,
            low_quality="off",
            low_quality_min_iou=0.0,
            batch_size_per_image=COUNT,
            positive_fraction=0.5,
        )
    )
    settings: dict[str, Any] = {"class_weight": CLASS_WEIGHT, "box_weight": BOX_WEIGHT, "smooth_l1_beta": beta}
    return RPNLoss(sampler=sampler, normalizer=normalizer, **settings)  # type: ignore[arg-type]


def make_case() -> Arrays:
    """Image 0: two objects and a crowd; image 1: no object; image 2: one object, nearly all else in crowds."""
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(0, 60, 6), np.arange(0, 60, 6)), axis=-1).reshape(-1, 2)
    anchors = np.concatenate((grid - 8, grid + 8), axis=1).astype(np.float32)
    gt_boxes = np.zeros((3, 3, 4), np.float32)
    gt_boxes[0] = [[3, 4, 20, 20], [30, 28, 45, 47], [-10, 38, 60, 70]]
    gt_boxes[2] = [[10, 10, 27, 25], [-20, -20, 52, 80], [40, -20, 80, 40]]
    gt_valid = np.array([[True, True, False], [False] * 3, [True, False, False]])
    gt_crowd = np.array([[False, False, True], [False] * 3, [False, True, True]])
    return {
        "objectness": rng.normal(size=(3, len(anchors))).astype(np.float32) * 2,
        "deltas": rng.normal(size=(3, len(anchors), 4)).astype(np.float32),
        "anchors": anchors,
        "gt_boxes": gt_boxes,
        "gt_valid": gt_valid,
        "gt_crowd": gt_crowd,
        "noise": rng.random((3, len(anchors))).astype(np.float32),
    }


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """IoU, and the share of a that lies inside b."""
    inter = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return (inter / (area_a + area_b - inter), inter / area_a) if inter > 0 else (0.0, 0.0)


def sampled_anchors(case: Arrays, image: int) -> tuple[list[tuple[int, int]], list[int]]:
    """(anchor, object) of the sampled positives, and the sampled negatives, smallest noise first."""
    positives, negatives = [], []
    for index in np.argsort(case["noise"][image], kind="stable"):
        anchor, boxes = case["anchors"][index], case["gt_boxes"][image]
        ious = [overlap(anchor, box)[0] if ok else -1.0 for box, ok in zip(boxes, case["gt_valid"][image], strict=True)]
        best = int(np.argmax(ious))
        crowds = boxes[case["gt_crowd"][image]]
        if ious[best] >= FG_IOU:
            positives.append((int(index), best))
        elif ious[best] < BG_IOU and all(overlap(anchor, crowd)[1] < CROWD_OVERLAP for crowd in crowds):
            negatives.append(int(index))
    positives = positives[:MAX_POSITIVES]
    return positives, negatives[: COUNT - len(positives)]


def reference_deltas(box: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    (x, y), (w, h) = (anchor[:2] + anchor[2:]) / 2, anchor[2:] - anchor[:2]
    (box_x, box_y), (box_w, box_h) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    return np.array([(box_x - x) / w, (box_y - y) / h, math.log(box_w / w), math.log(box_h / h)])


def reference(case: Arrays, normalizer: str, beta: float) -> tuple[tuple[float, float], tuple[np.ndarray, np.ndarray]]:
    """Both losses, and the gradients of their sum with respect to objectness and deltas."""
    class_loss = box_loss = 0.0
    sampled = 0
    d_objectness, d_deltas = np.zeros(case["objectness"].shape), np.zeros(case["deltas"].shape)
    for image in range(len(case["objectness"])):
        positives, negatives = sampled_anchors(case, image)
        sampled += len(positives) + len(negatives)
        for index, target in [(index, 1) for index, _ in positives] + [(index, 0) for index in negatives]:
            probability = 1 / (1 + math.exp(-case["objectness"][image, index]))
            class_loss -= math.log(probability if target else 1 - probability)
            d_objectness[image, index] = probability - target
        for index, gt in positives:
            wanted = reference_deltas(case["gt_boxes"][image, gt], case["anchors"][index])
            for axis in range(4):
                difference = case["deltas"][image, index, axis] - wanted[axis]
                if abs(difference) < beta:
                    box_loss += 0.5 * difference**2 / beta
                    d_deltas[image, index, axis] = difference / beta
                else:
                    box_loss += abs(difference) - 0.5 * beta
                    d_deltas[image, index, axis] = math.copysign(1, difference)
    count = len(case["objectness"]) * COUNT if normalizer == "batch_size" else max(sampled, 1)
    losses = class_loss * CLASS_WEIGHT / count, box_loss * BOX_WEIGHT / count
    return losses, (d_objectness * CLASS_WEIGHT / count, d_deltas * BOX_WEIGHT / count)


def losses_and_gradients(loss: RPNLoss, case: Arrays) -> tuple[list[float], list[np.ndarray]]:
    def total(*arguments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        class_loss, box_loss = loss(*arguments)
        return class_loss + box_loss, class_loss, box_loss

    (_, *losses), gradients = ms.value_and_grad(total, (0, 1), has_aux=True)(
        *(Tensor(value) for value in case.values())
    )
    return [float(value) for value in losses], [gradient.asnumpy() for gradient in gradients]


def compare(loss: RPNLoss, case: Arrays, beta: float = BETA) -> None:
    losses, gradients = losses_and_gradients(loss, case)
    wanted, wanted_gradients = reference(case, loss.normalizer, beta)
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)
    for gradient, expected in zip(gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_the_case_holds_what_it_should() -> None:
    case = make_case()
    counts = [tuple(len(chosen) for chosen in sampled_anchors(case, image)) for image in range(3)]
    assert 0 < counts[0][0] <= MAX_POSITIVES
    assert counts[0][1] == COUNT - counts[0][0]
    assert counts[1] == (0, COUNT)
    assert 0 < sum(counts[2]) < COUNT  # so that the two normalisers differ


@pytest.mark.parametrize("normalizer", ["batch_size", "sampled"])
def test_equals_a_loop(mode: str, normalizer: str) -> None:
    compare(build_loss(normalizer), make_case())


def test_plain_l1() -> None:
    compare(build_loss(beta=0.0), make_case(), beta=0.0)


def test_without_objects_the_box_loss_is_exactly_zero() -> None:
    case = make_case()
    case["gt_valid"][:] = False
    loss = build_loss()
    losses, gradients = losses_and_gradients(loss, case)
    assert losses[1] == 0.0
    assert losses[0] > 0
    assert not gradients[1].any()
    compare(loss, case)


def test_crowd_everywhere_leaves_nothing_to_learn() -> None:
    case = make_case()
    case["gt_valid"][:] = False
    case["gt_crowd"][:, 0] = True
    case["gt_boxes"][:, 0] = [-100, -100, 200, 200]
    losses, gradients = losses_and_gradients(build_loss(), case)
    assert losses == [0.0, 0.0]
    assert not gradients[0].any()
    assert not gradients[1].any()


def test_finite_for_huge_outputs() -> None:
    case = make_case()
    case["objectness"] *= 1e6
    case["deltas"] *= 1e6
    losses, gradients = losses_and_gradients(build_loss(), case)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_quota_of_positives() -> None:
    """With more positives than the quota, exactly the quota is taken and negatives fill the rest."""
    case = make_case()
    case["gt_boxes"][:, 0] = [10, 10, 26, 26]
    case["gt_valid"][:, 0] = True
    case["anchors"][:8] = [10, 10, 26, 26]
    loss = build_loss()
    positives, pos_valid, negatives, neg_valid, matched = (
        output.asnumpy() for output in loss.sampler(*(Tensor(value) for value in list(case.values())[2:]))
    )
    assert positives.shape[1] == MAX_POSITIVES
    assert pos_valid.all()
    assert neg_valid.sum(axis=1)[:2].tolist() == [COUNT - MAX_POSITIVES] * 2
    for image in range(3):
        wanted_positives, wanted_negatives = sampled_anchors(case, image)
        assert list(zip(positives[image], matched[image, positives[image]], strict=True)) == wanted_positives
        assert negatives[image][neg_valid[image]].tolist() == wanted_negatives
