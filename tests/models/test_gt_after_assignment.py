"""Proposals that are assigned before or after the ground truth joins them, on scenes small enough to work out."""

from functools import cache

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.build.detector import build_roi_sampler
from mindrcnn.config.model import RoiSamplingConfig
from mindrcnn.models.sampling import CandidateSampler, RoiSampler

pytestmark = pytest.mark.usefixtures("implementation")

PROPOSALS, OBJECTS, SAMPLES = 4, 3, 10
A, B, BETWEEN = (0, 0, 100, 100), (30, 0, 130, 100), (12, 0, 112, 100)  # BETWEEN: IoU 0.786 with A, 0.695 with B
FAR, FARTHER, NOTHING = (300, 300, 340, 340), (400, 300, 440, 340), (0, 0, 0, 0)
EXAMPLE, DUPLICATES, CROWD, WITHOUT_OBJECTS, INVALID_SLOTS = range(5)
BOXES = [  # proposals and objects of each image
    ((BETWEEN, FAR, FARTHER, FAR), (A, B, NOTHING)),
    (((0, 0, 100, 90), (0, 0, 100, 40), FAR, FAR), (A, A, FARTHER)),
    (((0, 0, 60, 100), (0, 0, 100, 20), (200, 0, 240, 40), FAR), (A, (0, 0, 250, 250), NOTHING)),
    ((A, B, FAR, FARTHER), (NOTHING, NOTHING, NOTHING)),
    ((B, BETWEEN, A, FAR), (A, B, BETWEEN)),
]
PROPOSAL_VALID = np.ones((5, PROPOSALS), bool)
PROPOSAL_VALID[INVALID_SLOTS] = [False, True, False, True]
GT_VALID = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 0]], bool)
GT_CROWD = np.zeros((5, OBJECTS), bool)
GT_CROWD[CROWD, 1] = True


def make_sampler(after: bool) -> RoiSampler:
    candidates = CandidateSampler(
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        low_quality="overwrite",
        low_quality_min_iou=0.5,
        batch_size_per_image=SAMPLES,
        positive_fraction=0.5,
    )
    return RoiSampler(candidates=candidates, gt_after_assignment=after)


@cache
def results(mode: str, implementation: str, after: bool) -> tuple[np.ndarray, ...]:
    """The samples of BOXES; once for each combination, the first time that its fixtures are active."""
    proposals = np.array([proposals for proposals, _ in BOXES], np.float32)
    objects = np.array([objects for _, objects in BOXES], np.float32)
    labels = np.arange(1, 1 + OBJECTS, dtype=np.int32) * GT_VALID
    noise = np.tile(np.arange(PROPOSALS + OBJECTS, dtype=np.float32) / 10, (5, 1))
    arrays = (proposals, PROPOSAL_VALID, objects, labels.astype(np.int32), GT_VALID, GT_CROWD, noise)
    return tuple(output.asnumpy() for output in make_sampler(after)(*(Tensor(array) for array in arrays)))


@pytest.fixture(params=[False, True], ids=["before", "after"])
def after(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
def samples(mode: str, implementation: str, after: bool) -> tuple[np.ndarray, ...]:
    return results(mode, implementation, after)


def positives(samples: tuple[np.ndarray, ...], image: int) -> list[tuple[tuple[int, ...], int]]:
    """Box and matched object of the positives, in the order of the candidates."""
    boxes, labels, valid, matched = (output[image] for output in samples)
    assert [labels[s] == 1 + matched[s] for s in np.flatnonzero(labels)] == [True] * np.count_nonzero(labels)
    assert valid[labels > 0].all()
    return [(tuple(int(side) for side in boxes[s]), int(matched[s])) for s in np.flatnonzero(labels)]


def negatives(samples: tuple[np.ndarray, ...], image: int) -> list[tuple[int, ...]]:
    boxes, labels, valid, _ = (output[image] for output in samples)
    return [tuple(int(side) for side in boxes[s]) for s in np.flatnonzero(valid & (labels == 0))]


def test_a_proposal_that_is_the_best_of_another_object(samples, after: bool) -> None:
    """BETWEEN overlaps A more, but among the proposals it is B's best as well, and the last object wins."""
    assert positives(samples, EXAMPLE) == [(BETWEEN, 1 if after else 0), (A, 0), (B, 1)]
    assert negatives(samples, EXAMPLE) == [FAR, FARTHER, FAR]


def test_two_objects_in_one_place(samples, after: bool) -> None:
    """Afterwards each box is matched with its own object; before, both boxes are the best of both objects."""
    near = ((0, 0, 100, 90), 1 if after else 0)
    assert positives(samples, DUPLICATES) == [near, (A, 0 if after else 1), (A, 1), (FARTHER, 2)]
    assert negatives(samples, DUPLICATES) == [(0, 0, 100, 40), FAR, FAR]


def test_crowds(samples) -> None:
    """A negative in a crowd is ignored, a positive in it stays, and the crowd's own box is no candidate."""
    assert positives(samples, CROWD) == [((0, 0, 60, 100), 0), (A, 0)]
    assert negatives(samples, CROWD) == [FAR]


def test_without_objects(samples) -> None:
    assert positives(samples, WITHOUT_OBJECTS) == []
    assert negatives(samples, WITHOUT_OBJECTS) == [A, B, FAR, FARTHER]


def test_slots_without_a_proposal_or_an_object(samples, after: bool) -> None:
    """They hold boxes that would be the best of A, of B and of BETWEEN."""
    assert positives(samples, INVALID_SLOTS) == [(BETWEEN, 1 if after else 0), (A, 0), (B, 1)]
    assert negatives(samples, INVALID_SLOTS) == [FAR]


def test_the_key_reaches_the_sampler(after: bool) -> None:
    assert build_roi_sampler(RoiSamplingConfig(gt_after_assignment=after)).gt_after_assignment == after
