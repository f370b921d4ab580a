"""Assignment and sampling of both stages against slow forms of what detectron2, torchvision and mmdetection do.

Twenty small scenes for each convention: crowded, nested, tiny and touching objects, and crowd regions. The references
see lists of real objects and proposals, as the libraries do, not padded slots. One rule is this package's own and is
added to every reference: a negative of which half lies in a crowd region is ignored. Corners are whole numbers, so that
IoUs are equal to the last bit and ties stay ties; the random choice is a given order of the candidates.
Letters in shapes: B images, G ground-truth slots, A anchors, P proposals.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.build.detector import build_candidate_sampler, build_roi_sampler
from mindrcnn.config.loader import parse_config
from mindrcnn.config.model import ModelConfig
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.convert.conventions import MASK_SWITCHES, MS_RCNN_VARIANT, SWITCHES, merge_trees
from mindrcnn.ops.assignment import CROWD_OVERLAP

pytestmark = pytest.mark.usefixtures("implementation")

SCENES, SIDE, SLOTS, PROPOSALS = 20, 64, 9, 24
ANCHOR_SAMPLES, PROPOSAL_SAMPLES = 24, 24
KINDS = ("crowded", "nested", "tiny", "touching", "with crowd regions")
ASSIGNED_APART = ("mmdet", "mindspore-zoo", MS_RCNN_VARIANT)  # proposals are assigned without the objects among them
Arrays = dict[str, np.ndarray]
Triple = tuple[int, int, int]  # index of a candidate, 1 positive or 0 negative, its object if positive, else -1


def squares(corners: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) of whole numbers."""
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


def objects_of(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Boxes (N, 4) of the objects, at most SLOTS - 2."""
    count = int(rng.integers(2, SLOTS - 1))
    corners, sides = rng.integers(8, 40, (count, 2)), rng.integers(6, 24, (count, 2))
    if kind == "crowded":
        corners, sides = 16 + rng.integers(0, 8, (count, 2)), 16 + rng.integers(0, 6, (count, 2))
        corners[1], sides[1] = corners[0], sides[0]  # two in one place
    elif kind == "nested":
        corners, sides = 8 + np.arange(count)[:, None] * [2, 3], 44 - np.arange(count)[:, None] * [5, 6]
    elif kind == "tiny":
        sides = rng.integers(1, 4, (count, 2))
    elif kind == "touching":
        corners, sides = np.arange(count)[:, None] * [8, 0] + [0, 20], np.full((count, 2), 8)
    return squares(corners, sides)


def near(boxes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes (count, 4) that resemble the given ones; some equal them."""
    chosen = boxes[rng.integers(0, len(boxes), count)] + rng.integers(-3, 4, (count, 4)) * (
        rng.random((count, 1)) < 0.8
    )
    chosen[:, 2:] = np.maximum(chosen[:, 2:], chosen[:, :2] + 1)
    return chosen.astype(np.float32)


def make_anchors() -> np.ndarray:
    """Anchors (A, 4) of three sizes and shapes in cells of 8 pixels; every pixel is in several."""
    cells = np.stack(np.meshgrid(np.arange(0, SIDE, 8), np.arange(0, SIDE, 8)), axis=-1).reshape(-1, 2)
    return np.concatenate(
        [
            squares(cells - shift, np.array([shape]))
            for shift, shape in ((0, (8, 8)), (4, (16, 16)), (8, (32, 16)), (8, (16, 32)))
        ]
    )


def make_scenes(seed: int) -> Arrays:
    """Objects in scattered slots, proposals near them, some without use, and an order of the candidates as noise."""
    rng = np.random.default_rng(seed)
    anchors = make_anchors()
    scenes: Arrays = {
        "gt_boxes": rng.integers(0, SIDE, (SCENES, SLOTS, 4)).astype(np.float32),  # unused slots hold anything
        "gt_valid": np.zeros((SCENES, SLOTS), bool),
        "gt_crowd": np.zeros((SCENES, SLOTS), bool),
        "proposals": np.zeros((SCENES, PROPOSALS, 4), np.float32),
        "proposal_valid": rng.random((SCENES, PROPOSALS)) < 0.7,
        "anchor_noise": orders(rng, len(anchors)),
        "proposal_noise": orders(rng, PROPOSALS + SLOTS),
    }
    for scene in range(SCENES):
        kind = KINDS[scene % len(KINDS)]
        boxes = objects_of(kind, rng)
        scenes["proposals"][scene] = near(boxes, PROPOSALS, rng)
        scenes["proposals"][scene, ::4] = squares(rng.integers(0, 40, (PROPOSALS // 4, 2)), rng.integers(4, 20, (1, 2)))
        slots = rng.permutation(SLOTS)
        real = np.sort(slots[: len(boxes)])
        scenes["gt_boxes"][scene, real], scenes["gt_valid"][scene, real] = boxes, True
        if kind == "with crowd regions":
            crowds = slots[len(boxes) : len(boxes) + 2]
            scenes["gt_crowd"][scene, crowds] = True
            scenes["gt_boxes"][scene, crowds] = squares(rng.integers(0, 30, (len(crowds), 2)), np.array([[30, 34]]))
    scenes["gt_valid"][SCENES - 1] = False  # the last has crowds and no object
    return scenes


def orders(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise (B, count) float32 without ties."""
    return np.stack([rng.permutation(count) for _ in range(SCENES)]).astype(np.float32) / np.float32(count)


def iou_matrix(objects: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """IoU (objects, boxes) float32."""
    low, high = np.maximum(objects[:, None, :2], boxes[:, :2]), np.minimum(objects[:, None, 2:], boxes[:, 2:])
    inter = np.maximum(high - low, 0).prod(axis=2)
    area, areas = (objects[:, 2:] - objects[:, :2]).prod(axis=1), (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return (inter / (area[:, None] + areas - inter)).astype(np.float32)


@dataclass(frozen=True)
class Assigned:
    """Each candidate's role (1, 0 or -1) and object, both (N,)."""

    role: np.ndarray
    matched: np.ndarray


def detectron2_matcher(iou: np.ndarray, low: float, high: float, low_quality: bool) -> Assigned:
    """Labels from intervals of the best IoU, then the best boxes of each object labelled 1 and left to their match."""
    objects, candidates = iou.shape
    if objects == 0:
        return Assigned(np.zeros(candidates, int), np.zeros(candidates, int))
    role = np.ones(candidates, int)
    for n in range(candidates):
        best = iou[:, n].max()
        role[n] = 0 if best < np.float32(low) else (-1 if best < np.float32(high) else 1)
    if low_quality:
        for g in range(objects):
            role[iou[g] == iou[g].max()] = 1
    return Assigned(role, iou.argmax(axis=0))


def torchvision_matcher(iou: np.ndarray, low: float, high: float, low_quality: bool) -> Assigned:
    """One vector: an object, or -1 below and -2 between the thresholds; the objects' best boxes get theirs back."""
    objects, candidates = iou.shape
    if objects == 0:
        return Assigned(np.zeros(candidates, int), np.zeros(candidates, int))
    of_best = iou.argmax(axis=0)
    matches = of_best.copy()
    best = iou.max(axis=0)
    matches[best < np.float32(low)] = -1
    matches[(best >= np.float32(low)) & (best < np.float32(high))] = -2
    if low_quality:
        restored = np.nonzero(iou == iou.max(axis=1, keepdims=True))[1]
        matches[restored] = of_best[restored]
    return Assigned(np.where(matches >= 0, 1, np.where(matches == -1, 0, -1)), np.maximum(matches, 0))


def mmdetection_assigner(iou: np.ndarray, low: float, high: float, low_quality: bool, least: float) -> Assigned:
    """MaxIoUAssigner with ignore_iof_thr -1: 0 negative, -1 ignored, object + 1; then each object takes its best."""
    objects, candidates = iou.shape
    assigned = np.full(candidates, -1)
    if objects == 0:
        assigned[:] = 0
    elif candidates:
        best = iou.max(axis=0)
        assigned[(best >= 0) & (best < np.float32(low))] = 0
        positive = best >= np.float32(high)
        assigned[positive] = iou.argmax(axis=0)[positive] + 1
        if low_quality:
            for g in range(objects):
                if iou[g].max() >= np.float32(least):
                    assigned[iou[g] == iou[g].max()] = g + 1
    return Assigned(np.minimum(assigned, 1), np.maximum(assigned - 1, 0))


def assign_like(library: str, iou: np.ndarray, settings: Any) -> Assigned:
    low, high, low_quality = settings.bg_iou_thresh, settings.fg_iou_thresh, settings.low_quality != "off"
    if library in ASSIGNED_APART:
        assert settings.low_quality == "overwrite"
        return mmdetection_assigner(iou, low, high, low_quality, settings.low_quality_min_iou)
    assert settings.low_quality != "overwrite"
    matcher = torchvision_matcher if library == "torchvision" else detectron2_matcher
    return matcher(iou, low, high, low_quality)


def ignore_in_crowds(assigned: Assigned, boxes: np.ndarray, crowds: np.ndarray) -> Assigned:
    """This package's own rule."""
    low, high = np.maximum(crowds[:, None, :2], boxes[:, :2]), np.minimum(crowds[:, None, 2:], boxes[:, 2:])
    share = np.maximum(high - low, 0).prod(axis=2) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside = (share >= CROWD_OVERLAP).any(axis=0)
    return Assigned(np.where(inside & (assigned.role == 0), -1, assigned.role), assigned.matched)


def choose(assigned: Assigned, order: np.ndarray, settings: Any) -> list[Triple]:
    """Positives up to int(count x fraction), then negatives for what is left, in the given order."""
    positives = [int(n) for n in order if assigned.role[n] == 1]
    positives = positives[: int(settings.batch_size_per_image * settings.positive_fraction)]
    negatives = [int(n) for n in order if assigned.role[n] == 0]
    negatives = negatives[: settings.batch_size_per_image - len(positives)]
    return [(n, 1, int(assigned.matched[n])) for n in positives] + [(n, 0, -1) for n in negatives]


def second_stage(library: str, scenes: Arrays, scene: int, settings: Any) -> tuple[list[Triple], Assigned]:
    """Samples as slots of proposals + ground truth and of objects, and the assignment of the real proposals."""
    proposal_slots = np.flatnonzero(scenes["proposal_valid"][scene])
    object_slots = np.flatnonzero(scenes["gt_valid"][scene])
    proposals, objects = scenes["proposals"][scene, proposal_slots], scenes["gt_boxes"][scene, object_slots]
    crowds = scenes["gt_boxes"][scene, scenes["gt_crowd"][scene]]
    if library in ASSIGNED_APART:  # the objects go first, each assigned to itself
        alone = ignore_in_crowds(assign_like(library, iou_matrix(objects, proposals), settings), proposals, crowds)
        role = np.concatenate([np.ones(len(objects), int), alone.role])
        assigned = Assigned(role, np.concatenate([np.arange(len(objects)), alone.matched]))
        slots = np.concatenate([PROPOSALS + object_slots, proposal_slots])
    else:
        boxes = np.concatenate([proposals, objects])
        assigned = ignore_in_crowds(assign_like(library, iou_matrix(objects, boxes), settings), boxes, crowds)
        alone = Assigned(assigned.role[: len(proposals)], assigned.matched[: len(proposals)])
        slots = np.concatenate([proposal_slots, PROPOSALS + object_slots])
    order = np.argsort(scenes["proposal_noise"][scene, slots])
    samples = choose(assigned, order, settings)
    return [(int(slots[n]), role, int(object_slots[g]) if role else -1) for n, role, g in samples], alone


def moves(alone: Assigned, scenes: Arrays, scene: int) -> int:
    """Number of proposals that go to an object in another place than the one they overlap most."""
    objects = scenes["gt_boxes"][scene, scenes["gt_valid"][scene]]
    iou = iou_matrix(objects, scenes["proposals"][scene, scenes["proposal_valid"][scene]])
    positive = np.flatnonzero(alone.role == 1)
    return sum((objects[alone.matched[n]] != objects[iou[:, n].argmax()]).any() for n in positive)


def settings_of(library: str) -> ModelConfig:
    """The convention's switches as the importer sets them, with fewer samples."""
    overrides = (
        f"model.rpn.batch_size_per_image={ANCHOR_SAMPLES}",
        f"model.roi_sampling.batch_size_per_image={PROPOSAL_SAMPLES}",
    )
    branch = "ms_rcnn" if library == MS_RCNN_VARIANT else "mask_rcnn"
    sampling = MASK_SWITCHES.get((library, branch), {}).get("roi_sampling", {})
    model = merge_trees(SWITCHES[library], {"roi_sampling": sampling})
    return parse_config(dump_yaml({"model": model}), library, overrides).model


def call(function: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    return [output.asnumpy() for output in function(*(Tensor(array) for array in arrays))]


@pytest.fixture(params=sorted(SWITCHES))
def library(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def scenes() -> Arrays:
    return make_scenes(seed=5)


def test_anchors(library: str, scenes: Arrays) -> None:
    settings, anchors = settings_of(library).rpn, make_anchors()
    sampler = build_candidate_sampler(settings)
    gt = [scenes[name] for name in ("gt_boxes", "gt_valid", "gt_crowd")]
    matched, state = call(sampler.assign, anchors, *gt)
    everything = np.ones(state.shape, bool)
    samples = call(sampler.sample, state, everything, scenes["anchor_noise"])
    low_quality = 0
    for scene in range(SCENES):
        object_slots = np.flatnonzero(gt[1][scene])
        iou = iou_matrix(gt[0][scene, object_slots], anchors)
        assert (iou.max(axis=1) > 0).all()  # else detectron2 and torchvision make all other anchors positive
        crowds = gt[0][scene, gt[2][scene]]
        wanted = ignore_in_crowds(assign_like(library, iou, settings), anchors, crowds)
        np.testing.assert_array_equal(state[scene], wanted.role, err_msg=f"scene {scene}")
        positive = wanted.role == 1
        np.testing.assert_array_equal(
            matched[scene, positive], object_slots[wanted.matched[positive]], err_msg=f"scene {scene}"
        )
        chosen = choose(wanted, np.argsort(scenes["anchor_noise"][scene]), settings)
        pos_index, pos_valid, neg_index, neg_valid = (output[scene] for output in samples)
        assert pos_index[pos_valid].tolist() == [n for n, role, _ in chosen if role]
        assert neg_index[neg_valid].tolist() == [n for n, role, _ in chosen if not role]
        low_quality += sum(iou[:, n].max() < settings.fg_iou_thresh for n in np.flatnonzero(positive))
    assert low_quality > 20
    assert set(np.unique(state)) == {-1, 0, 1}


def test_proposals(library: str, scenes: Arrays) -> None:
    settings = settings_of(library).roi_sampling
    labels = np.where(scenes["gt_valid"], np.arange(1, SLOTS + 1), 0).astype(np.int32)
    names = ("proposals", "proposal_valid", "gt_boxes", "gt_labels", "gt_valid", "gt_crowd", "proposal_noise")
    inputs = scenes | {"gt_labels": labels}
    outputs = call(build_roi_sampler(settings), *(inputs[name] for name in names))
    moved = 0
    for scene in range(SCENES):
        boxes, got_labels, valid, matched = (output[scene] for output in outputs)
        wanted, alone = second_stage(library, scenes, scene, settings)
        candidates = np.concatenate([scenes["proposals"][scene], scenes["gt_boxes"][scene]])
        roles = [int(label > 0) for label in got_labels]
        objects = [int(g) if role else -1 for g, role in zip(matched, roles, strict=True)]
        used = np.flatnonzero(valid)
        assert used.tolist() == list(range(len(wanted))), f"scene {scene}"
        assert [(roles[s], objects[s]) for s in used] == [(role, g) for _, role, g in wanted], f"scene {scene}"
        np.testing.assert_array_equal(boxes[used], candidates[[n for n, _, _ in wanted]], err_msg=f"scene {scene}")
        assert [got_labels[s] for s in used if roles[s]] == [g + 1 for _, _, g in wanted if g >= 0]
        moved += moves(alone, scenes, scene)
    assert (moved > 3) == (library in ASSIGNED_APART)
