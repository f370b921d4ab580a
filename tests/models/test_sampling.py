"""Stage-two sampling against a loop over candidates."""

from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.sampling import CandidateSampler, RoiSampler
from mindrcnn.ops.assignment import CROWD_OVERLAP

SAMPLES, MAX_POSITIVES = 8, 2
Arrays = dict[str, np.ndarray]


def build_sampler(**changes: Any) -> RoiSampler:
    settings: dict[str, Any] = {
        "fg_iou_thresh": 0.6,
        "bg_iou_thresh": 0.4,
        "low_quality": "off",
        "low_quality_min_iou": 0.0,
        "batch_size_per_image": SAMPLES,
        "positive_fraction": 0.25,
    }
    return RoiSampler(candidates=CandidateSampler(**(settings | changes)))


def overlap(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """IoU, and the share of a that lies inside b."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    inter = width * height
    return (inter / (area_a + area_b - inter), inter / area_a) if inter > 0 else (0.0, 0.0)


def reference_image(gt: Arrays, boxes: np.ndarray, valid: np.ndarray, noise: np.ndarray) -> list[tuple[int, int, int]]:
    """(candidate, label, matched object or -1) of the samples of one image, in their order."""
    positives, negatives = [], []
    for index in np.argsort(noise, kind="stable"):
        if not valid[index]:
            continue
        ious = [overlap(boxes[index], box)[0] if ok else -1.0 for box, ok in zip(gt["boxes"], gt["valid"], strict=True)]
        best = int(np.argmax(ious))
        crowds = gt["boxes"][gt["crowd"]]
        if ious[best] >= 0.6:
            positives.append((int(index), int(gt["labels"][best]), best))
        elif ious[best] < 0.4 and all(overlap(boxes[index], crowd)[1] < CROWD_OVERLAP for crowd in crowds):
            negatives.append((int(index), 0, -1))
    positives = positives[:MAX_POSITIVES]
    return positives + negatives[: SAMPLES - len(positives)]


def random_case(rng: np.random.Generator, proposals: int) -> Arrays:
    """Three images: two objects and a crowd; one object; none. Half the proposals lie near objects."""
    gt_boxes = np.zeros((3, 4, 4), np.float32)
    gt_boxes[0, :3] = [[10, 10, 50, 40], [60, 20, 90, 70], [5, 60, 40, 95]]
    gt_boxes[1, 0] = [30, 30, 70, 80]
    gt_labels = np.array([[3, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]], np.int32)
    gt_crowd = np.zeros((3, 4), bool)
    gt_crowd[0, 2] = True
    low = rng.uniform(0, 60, (3, proposals, 2))
    boxes = np.concatenate((low, low + rng.uniform(4, 40, (3, proposals, 2))), axis=2).astype(np.float32)
    for image in range(3):
        boxes[image, ::2] = gt_boxes[image, rng.integers(0, 3, len(boxes[image, ::2]))]
    boxes[:, ::2] += rng.uniform(-6, 6, boxes[:, ::2].shape).astype(np.float32)
    boxes[:, :, 2:] = np.maximum(boxes[:, :, 2:], boxes[:, :, :2] + 1)
    return {
        "proposals": boxes,
        "proposal_valid": rng.random((3, proposals)) < 0.8,
        "gt_boxes": gt_boxes,
        "gt_labels": gt_labels,
        "gt_valid": gt_labels > 0,
        "gt_crowd": gt_crowd,
        "noise": rng.random((3, proposals + 4)).astype(np.float32),
    }


def run(sampler: RoiSampler, case: Arrays) -> tuple[np.ndarray, ...]:
    return tuple(output.asnumpy() for output in sampler(*(Tensor(value) for value in case.values())))


def compare(case: Arrays, outputs: tuple[np.ndarray, ...]) -> list[int]:
    """Asserts that every slot equals the reference; returns the number of positives of each image."""
    boxes, labels, valid, matched = outputs
    candidates = np.concatenate((case["proposals"], case["gt_boxes"]), axis=1)
    usable = np.concatenate((case["proposal_valid"], case["gt_valid"]), axis=1)
    counts = []
    for image in range(len(boxes)):
        gt = {name: case[f"gt_{name}"][image] for name in ("boxes", "labels", "valid", "crowd")}
        wanted = reference_image(gt, candidates[image], usable[image], case["noise"][image])
        assert valid[image].tolist() == [slot < len(wanted) for slot in range(SAMPLES)]
        assert labels[image].tolist() == [label for _, label, _ in wanted] + [0] * (SAMPLES - len(wanted))
        np.testing.assert_array_equal(boxes[image, : len(wanted)], candidates[image, [w[0] for w in wanted]])
        assert [int(m) for m, w in zip(matched[image], wanted, strict=False) if w[2] >= 0] == [
            w[2] for w in wanted if w[2] >= 0
        ]
        counts.append(int((labels[image] > 0).sum()))
    return counts


def test_equals_a_loop(mode: str) -> None:
    case = random_case(np.random.default_rng(0), 40)
    outputs = run(build_sampler(), case)
    assert [output.dtype for output in outputs] == [np.float32, np.int32, np.bool_, np.int32]
    assert compare(case, outputs) == [MAX_POSITIVES, MAX_POSITIVES, 0]
    assert outputs[2].all()  # enough candidates: the quota is filled exactly


@pytest.mark.parametrize("seed", range(1, 7))
def test_equals_a_loop_with_few_proposals(seed: int) -> None:
    case = random_case(np.random.default_rng(seed), 6)
    counts = compare(case, run(build_sampler(), case))
    assert min(counts[:2]) >= 1  # the objects themselves are candidates
    assert counts[2] == 0


def test_without_usable_proposals_only_objects_are_left() -> None:
    case = random_case(np.random.default_rng(0), 6)
    case["proposal_valid"][:] = False
    boxes, labels, valid, matched = run(build_sampler(), case)
    assert valid.sum(axis=1).tolist() == [2, 1, 0]
    assert sorted(labels[0, :2].tolist()) == [1, 3]
    for slot in range(2):
        np.testing.assert_array_equal(boxes[0, slot], case["gt_boxes"][0, matched[0, slot]])
    assert labels[1, 0] == 2
    assert not labels[2].any()


@pytest.mark.parametrize(("low_quality", "label"), [("off", 4), ("overwrite", 5)])
def test_low_quality_setting_reaches_the_matcher(low_quality: str, label: int) -> None:
    """Objects are candidates themselves, so only objects in one place show the setting: the first or the last wins."""
    case = random_case(np.random.default_rng(0), 1)
    case["gt_boxes"][1, :2] = [30, 30, 70, 80]
    case["gt_labels"][1, :2] = [4, 5]
    case["gt_valid"][1, :2] = True
    assert run(build_sampler(low_quality=low_quality), case)[1][1, :2].tolist() == [label, label]


def test_max_positives_is_the_quota() -> None:
    assert build_sampler().max_positives == MAX_POSITIVES
    assert build_sampler(batch_size_per_image=512).max_positives == 128
    assert build_sampler(batch_size_per_image=3).max_positives == 1
