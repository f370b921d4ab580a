"""Test-time augmentation against a slow form: a network of every kind on each view, merged box by box."""

from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from small_detector import MODEL, make_batch

from mindrcnn.build.mask_branches import build_mask_branch
from mindrcnn.config.model import MaskScoringConfig, PointRendConfig
from mindrcnn.models.box_branch import DetectionSelector
from mindrcnn.models.stages import MaskStage
from mindrcnn.ops.losses import at_least_one
from mindrcnn.predictor import NumpyStages
from mindrcnn.test_time.staged import StagedPredictor, Stages, SuppressedAgain, padded
from mindrcnn.test_time.suppression import Found, Suppression
from mindrcnn.test_time.views import View

HEADS = {
    "faster_rcnn": None,
    "mask_rcnn": MODEL.mask,
    "ms_rcnn": MaskScoringConfig(
        resolution=4, num_convs=1, channels=16, iou_num_convs=2, iou_channels=16, iou_fc_channels=32
    ),
    "point_rend": PointRendConfig(
        resolution=4, fc_channels=32, point_layers=2, point_channels=16, subdivision_steps=2, subdivision_points=20
    ),
}
SLOTS = 12
SETTINGS = {"iou_thresh": 0.5, "score_thresh": 0.1, "limit": SLOTS}
SIZES = np.array([[64, 96], [50, 76]], np.int32)
SIZE = np.array([[32, 32]], np.int32)  # of the images with bright columns


@pytest.fixture(autouse=True)
def eagerly():
    ms.set_context(mode=ms.PYNATIVE_MODE)


def batch() -> np.ndarray:
    return make_batch()["images"]


class WithMasks(NumpyStages):
    """A real mask branch on features that are averages of pixels; an image's candidates depend on its pixels alone."""

    def __init__(self, head: str) -> None:
        mask = HEADS[head]
        self.branch = None if mask is None else build_mask_branch(replace(MODEL, mask=mask), 3, 4, at_least_one)
        if self.branch is not None:
            ms.set_seed(1)
            for parameter in self.branch.get_parameters():  # or masks would hardly differ from 0.5
                parameter.set_data(Tensor(np.random.default_rng(0).normal(0, 0.2, parameter.shape).astype(np.float32)))
        self.second = None if self.branch is None else MaskStage(mask=self.branch)

    def features(self, images: np.ndarray) -> tuple[Tensor, ...]:
        levels = []
        for stride in (4, 8, 16, 32, 64):
            height, width = (-(-side // stride) for side in images.shape[2:])
            full = np.zeros((*images.shape[:2], height * stride, width * stride), np.float32)
            full[:, :, : images.shape[2], : images.shape[3]] = images / 128 - 1
            cells = full.reshape(*images.shape[:2], height, stride, width, stride).mean(axis=(3, 5))
            levels.append(Tensor(np.tile(cells, (1, 6, 1, 1))[:, :16]))
        return tuple(levels)

    def candidates(self, images: np.ndarray, image_sizes: np.ndarray):
        found = []
        for image, (height, width) in zip(images, image_sizes, strict=True):
            rng = np.random.default_rng(int(image[0, :height, :width].astype(int).dot(np.arange(width)).sum()))
            corners = rng.uniform(0, 1, (30, 2)) * (width - 20, height - 20)
            boxes = np.concatenate((corners, corners + rng.uniform(8, 20, (30, 2))), axis=1)
            found.append((boxes, np.sort(rng.uniform(0, 1, 30))[::-1], rng.integers(1, 4, 30)))
        boxes, scores, labels = (np.stack(column) for column in zip(*found, strict=True))
        return self.features(images), (boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int32))


def predictor(stages: Stages, *views: View, **settings: float) -> StagedPredictor:
    suppress = Suppression(**(SETTINGS | settings))
    merge = SuppressedAgain(suppress)
    return StagedPredictor(stages=stages, views=views, suppress=suppress, merge=merge, slots=SLOTS)


@pytest.mark.parametrize("agnostic", [False, True])
def test_hard_suppression_is_that_of_the_graph(agnostic):
    rng = np.random.default_rng(0)
    selector = DetectionSelector(
        coder_weights=(10.0, 10.0, 5.0, 5.0), score_thresh=0.1, nms_thresh=0.5, detections_per_image=9, pre_nms_topk=60
    )
    corners = rng.uniform(0, 40, (2, 20, 2))
    proposals = np.concatenate((corners, corners + rng.uniform(10, 40, (2, 20, 2))), axis=2).astype(np.float32)
    classes = 1 if agnostic else 3
    logits, deltas = rng.normal(0, 2, (40, classes + 1)), rng.normal(0, 1, (40, classes, 4))
    inputs = [Tensor(one.astype(np.float32)) for one in (logits, deltas, proposals)]
    inputs += [Tensor(np.ones((2, 20), bool)), Tensor(SIZES)]
    wanted = [one.asnumpy() for one in selector(*inputs)]
    candidates = [one.asnumpy() for one in selector.candidates(*inputs)]
    suppress = Suppression(iou_thresh=0.5, score_thresh=0.1, limit=9, class_agnostic=agnostic)
    ours = padded([suppress(Found(*(one[index] for one in candidates))) for index in range(2)], 9)
    assert wanted[3].sum() > 8
    for one, other in zip(ours, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def mirror(pixels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    mirrored = pixels.copy()
    for one, (_, width) in zip(mirrored, sizes, strict=True):
        one[:, :, :width] = one[:, :, :width][:, :, ::-1]
    return mirrored


def mirror_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_mirrored(stages: WithMasks, images: np.ndarray):
    """Returns boxes, scores, labels and mask outputs of the images and their mirror images, by detectron2's steps."""
    views = [images, mirror(images, SIZES)]
    candidates = [stages.candidates(view, SIZES)[1] for view in views]
    boxes, scores, labels = (np.zeros((len(images), SLOTS, *shape), kind) for shape, kind in SLOT_TYPES)
    for index, (_, width) in enumerate(SIZES):
        found = []
        for number, view in enumerate(candidates):
            alone = suppress_slowly(zip(*(column[index] for column in view), strict=True))
            found += [(mirror_boxes(row[0][None], width)[0], *row[1:]) if number else row for row in alone]
        for slot, row in enumerate(suppress_slowly(found)):
            boxes[index, slot], scores[index, slot], labels[index, slot] = row
    valid = labels > 0
    if stages.branch is None:
        return boxes, scores, labels, valid
    seen = []
    for number, view in enumerate(views):
        moved = boxes.copy()
        for index, (_, width) in enumerate(SIZES if number else ()):
            moved[index] = mirror_boxes(boxes[index], width) * valid[index][:, None]
        given = tuple(map(Tensor, (moved, scores, labels, valid)))
        masks, mask_scores = stages.branch.predict(stages.features(view), given)
        seen.append((masks.asnumpy()[..., ::-1] if number else masks.asnumpy(), mask_scores.asnumpy()))
    return boxes, scores, labels, valid, *(np.mean(pair, axis=0) for pair in zip(*seen, strict=True))


SLOT_TYPES = (((4,), np.float32), ((), np.float32), ((), np.int32))


def suppress_slowly(found):
    """Returns (box, score, label) of the boxes that greedy suppression keeps, best first."""
    kept = []
    for row in sorted(found, key=lambda row: -row[1]):
        if row[1] > SETTINGS["score_thresh"] and all(
            row[2] != one[2] or overlap(row[0], one[0]) <= SETTINGS["iou_thresh"] for one in kept
        ):
            kept.append(row)
    return kept[:SLOTS]


@pytest.mark.parametrize("head", HEADS)
def test_flips_are_merged_as_detectron2_merges_them(head):
    stages, images = WithMasks(head), batch()
    wanted = slow_mirrored(stages, images)
    ours = predictor(stages, View(), View(flip="horizontal"))(images, SIZES)
    assert len(ours) == len(wanted) == (4 if head == "faster_rcnn" else 6)
    assert wanted[3].sum() > SLOTS
    for one, other, atol in zip(ours[:4], wanted[:4], (1e-3, 1e-6, 0, 0), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)
    used = wanted[3]
    for one, other in zip(ours[4:], wanted[4:], strict=True):
        np.testing.assert_allclose(one[used], other[used], atol=1e-5)
        assert one[used].std() > 0.01


def test_the_mirror_image_gives_the_mirrored_result():
    predict = predictor(WithMasks("mask_rcnn"), View(), View(flip="horizontal"))
    ours, mirrored = predict(batch(), SIZES), predict(mirror(batch(), SIZES), SIZES)
    for index, (_, width) in enumerate(SIZES):
        used = ours[3][index]
        assert used.sum() > 5
        boxes = mirror_boxes(mirrored[0][index][used], width)
        np.testing.assert_allclose(ours[0][index][used], boxes, atol=1e-3)
        np.testing.assert_allclose(ours[4][index][used], mirrored[4][index][used][:, :, ::-1], atol=1e-5)


class BrightestColumn:
    """Two stages that find a box beside the brightest column, and give it a mask that grows to the right."""

    def candidates(self, images, image_sizes):
        column = images[:, 0].sum(axis=1).argmax(axis=1).astype(np.float32)
        boxes = np.stack([column - 1, 0 * column, column + 4, 0 * column + 8], axis=1)[:, None]
        ones = np.ones((len(images), 1))
        return None, (boxes, ones.astype(np.float32), ones.astype(np.int32))

    def masks(self, features, detections):
        _, scores, *_ = detections
        ramp = np.linspace(0, 1, 4, dtype=np.float32)
        return np.broadcast_to(ramp, (*scores.shape, 4, 4)), scores


def test_both_flips_see_the_same_box():
    images = np.zeros((1, 3, 32, 32), np.uint8)
    images[0, :, :, 20] = 200

    class Symmetric(BrightestColumn):
        def candidates(self, images, image_sizes):
            features, (boxes, *others) = super().candidates(images, image_sizes)
            side = images.shape[2]
            boxes[..., 2], boxes[..., 1], boxes[..., 3] = boxes[..., 0] + 3, 0.25 * side, 0.75 * side
            return features, (boxes, *others)

    predict = predictor(Symmetric(), View(), View(flip="horizontal"), View(flip="vertical"), iou_thresh=0.99)
    boxes, _, _, valid, _, _ = predict(images, SIZE)
    assert valid.sum() == 1
    np.testing.assert_array_equal(boxes[0, 0], [19, 8, 22, 24])


def test_a_symmetric_image_gives_a_symmetric_result():
    images = np.zeros((1, 3, 32, 32), np.uint8)
    images[0, :, :, 15:17] = 200  # columns 15 and 16 of 32
    predict = predictor(BrightestColumn(), View(), View(flip="horizontal"), iou_thresh=0.9)
    boxes, _, _, valid, masks, _ = predict(images, SIZE)
    assert valid[0].tolist() == [True, True] + [False] * (SLOTS - 2)
    np.testing.assert_allclose(boxes[0, 1], mirror_boxes(boxes[0, :1], 32)[0])
    np.testing.assert_allclose(masks[0, 0], masks[0, 0][:, ::-1], atol=1e-6)


def test_the_masks_of_all_views_are_averaged_and_their_scores_too():
    class Rising(BrightestColumn):
        calls = 0

        def masks(self, features, detections):
            Rising.calls += 1
            masks, scores = super().masks(features, detections)
            return 0 * masks + Rising.calls, scores * Rising.calls

    predict = predictor(Rising(), View(), View(scale=2.0), View(flip="vertical"))
    images = np.zeros((1, 3, 32, 32), np.uint8)
    images[0, :, :, 9] = 200
    _, scores, _, valid, masks, mask_scores = predict(images, SIZE)
    used = valid[0]
    assert used.any()
    assert (masks[0][used] == 2).all()
    np.testing.assert_allclose(mask_scores[0][used], 2 * scores[0][used])


def test_images_without_any_box_give_none():
    predict = predictor(BrightestColumn(), View(), View(flip="horizontal"), score_thresh=1.0)
    assert not predict(np.zeros((1, 3, 32, 32), np.uint8), SIZE)[3].any()
