"""Proposal selection against a loop over levels and boxes."""

import math
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.proposals import ProposalSelector

LEVEL_ANCHORS = (40, 12, 3)
SIZES = np.array([[64, 96], [50, 70]], np.int32)
Levels = tuple[np.ndarray, ...]


def build_selector(**changes: Any) -> ProposalSelector:
    settings: dict[str, Any] = {
        "pre_nms_topk": (20, 8),
        "post_nms_topk": (25, 10),
        "nms_thresh": 0.5,
        "min_size": 3.0,
    }
    return ProposalSelector(**(settings | changes))


def make_levels(seed: int = 0) -> tuple[Levels, Levels, Levels]:
    """Objectness, deltas and anchors of three levels; many anchors overlap, some stick out of the images."""
    rng = np.random.default_rng(seed)
    objectness, deltas, anchors = [], [], []
    for count in LEVEL_ANCHORS:
        objectness.append(rng.normal(size=(2, count)).astype(np.float32))
        deltas.append((rng.normal(size=(2, count, 4)) * 0.3).astype(np.float32))
        centre = rng.uniform(0, [96, 64], (count, 2))
        half = rng.choice([2, 10, 14], (count, 1)) * rng.uniform(0.9, 1.1, (count, 2))
        anchors.append(np.concatenate((centre - half, centre + half), axis=1).astype(np.float32))
    return tuple(objectness), tuple(deltas), tuple(anchors)


def reference_box(delta: np.ndarray, anchor: np.ndarray, size: np.ndarray) -> np.ndarray:
    (x, y), (w, h) = (anchor[:2] + anchor[2:]) / 2, anchor[2:] - anchor[:2]
    x, y = x + delta[0] * w, y + delta[1] * h
    w, h = (side * math.exp(min(d, math.log(1000 / 16))) for side, d in ((w, delta[2]), (h, delta[3])))
    box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return np.clip(box, 0, [size[1], size[0], size[1], size[0]])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter) if inter > 0 else 0.0


def reference(
    levels: tuple[Levels, Levels, Levels], image: int, pre_nms_topk: int, post_nms_topk: int, min_size: float
) -> list[tuple[float, np.ndarray]]:
    """(score, box) of one image's proposals, best first."""
    found = []
    for objectness, deltas, anchors in zip(*levels, strict=True):
        kept: list[np.ndarray] = []
        for index in np.argsort(-objectness[image], kind="stable")[:pre_nms_topk]:
            box = reference_box(deltas[image, index], anchors[index], SIZES[image])
            large = min(box[2] - box[0], box[3] - box[1]) > min_size
            if large and all(iou(box, other) <= 0.5 for other in kept):
                kept.append(box)
                found.append((float(objectness[image, index]), box))
    return sorted(found, key=lambda proposal: -proposal[0])[:post_nms_topk]


def run(selector: ProposalSelector, levels: tuple[Levels, Levels, Levels], training: bool) -> tuple[np.ndarray, ...]:
    tensors = (tuple(Tensor(array) for array in group) for group in levels)
    return tuple(output.asnumpy() for output in selector(*tensors, Tensor(SIZES), training))


def compare(outputs: tuple[np.ndarray, ...], wanted: list[list[tuple[float, np.ndarray]]]) -> None:
    boxes, scores, valid = outputs
    for image, proposals in enumerate(wanted):
        assert valid[image].tolist() == [slot < len(proposals) for slot in range(valid.shape[1])]
        for slot, (score, box) in enumerate(proposals):
            assert scores[image, slot] == pytest.approx(score)
            np.testing.assert_allclose(boxes[image, slot], box, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("training", "pre", "post"), [(True, 20, 25), (False, 8, 10)])
def test_equals_a_loop(mode: str, training: bool, pre: int, post: int) -> None:
    levels = make_levels()
    outputs = run(build_selector(), levels, training)
    wanted = [reference(levels, image, pre, post, 3.0) for image in range(2)]
    compare(outputs, wanted)
    boxes, _, valid = outputs
    assert valid.shape == (2, min(post, sum(min(pre, count) for count in LEVEL_ANCHORS)))
    assert boxes.dtype == np.float32
    assert np.isfinite(boxes).all()
    if training:
        assert not valid.all()  # fewer survive than there are slots
    assert boxes[1].max() <= 70
    assert boxes[1, :, 1::2].max() <= 50


@pytest.mark.parametrize("training", [True, False])
def test_count_says_the_number_of_slots(training: bool) -> None:
    for post in (5, 1000):
        selector = build_selector(post_nms_topk=(post, post + 1))
        slots = run(selector, make_levels(), training)[2].shape[1]
        assert selector.count(LEVEL_ANCHORS, training) == slots
    assert build_selector().count(LEVEL_ANCHORS, True) == 25
    assert build_selector().count(LEVEL_ANCHORS, False) == 10
    assert build_selector(post_nms_topk=(1000, 1000)).count(LEVEL_ANCHORS, True) == 20 + 12 + 3
    assert build_selector(post_nms_topk=(1000, 1000)).count(LEVEL_ANCHORS, False) == 8 + 8 + 3


@pytest.mark.parametrize("min_size", [0.0, 3.0, 15.0])
def test_min_size(min_size: float) -> None:
    levels = make_levels(seed=1)
    outputs = run(build_selector(min_size=min_size), levels, True)
    compare(outputs, [reference(levels, image, 20, 25, min_size) for image in range(2)])
    sides = (outputs[0][..., 2:] - outputs[0][..., :2])[outputs[2]]
    assert (sides > min_size).all()


def test_equal_boxes_of_different_levels_both_stay() -> None:
    """Suppression acts inside a level, as in detectron2 and torchvision."""
    box = np.float32([[10, 10, 30, 30]])
    levels = (
        tuple(np.full((2, 1), score, np.float32) for score in (1, 2)),
        (np.zeros((2, 1, 4), np.float32),) * 2,
        (box, box),
    )
    boxes, scores, valid = run(build_selector(), levels, True)
    assert valid.all()
    assert scores.tolist() == [[2, 1]] * 2
    np.testing.assert_array_equal(boxes, np.broadcast_to(box, (2, 2, 4)))


def test_nothing_survives() -> None:
    boxes, _, valid = run(build_selector(min_size=1000.0), make_levels(), True)
    assert not valid.any()
    assert np.isfinite(boxes).all()
