"""The condition for gradient accumulation: when the mean of the losses of single images is the loss of their batch."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.box_branch import BoxLoss
from mindrcnn.models.box_errors import SmoothL1Error
from mindrcnn.models.mask_branch import MaskBranch
from mindrcnn.models.rpn import AnchorSampler, RPNLoss
from mindrcnn.models.sampling import CandidateSampler

Arrays = list[np.ndarray]


def losses_of(loss: object, arrays: Arrays, images: slice) -> np.ndarray:
    outputs = loss(*(Tensor(array[images]) for array in arrays))  # type: ignore[operator]
    return np.array([float(value) for value in (outputs if isinstance(outputs, tuple) else (outputs,))])


def whole_and_mean(loss: object, arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Losses of the batch of two, and the mean of the losses of its images."""
    one, two = (losses_of(loss, arrays, slice(image, image + 1)) for image in range(2))
    return losses_of(loss, arrays, slice(None)), (one + two) / 2


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("normalizer", ["batch_size", "sampled"])
def test_rpn(normalizer: str, equal: bool) -> None:
    """The losses differ: all but a few anchors of image 1 lie in a crowd, so it has fewer samples."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 80, (60, 2)).astype(np.float32)
    anchors = Tensor(np.concatenate((corner, corner + 16), axis=1))
    gt_boxes = np.float32([[[10, 10, 26, 26], [0, 0, 1, 1]], [[30, 30, 46, 46], [0, 0, 94, 94]]])
    candidates = CandidateSampler(
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.3,
        low_quality="keep",
        low_quality_min_iou=0.0,
        batch_size_per_image=16,
        positive_fraction=0.5,
    )
    loss = RPNLoss(
        sampler=AnchorSampler(candidates=candidates),
        normalizer=normalizer,  # type: ignore[arg-type]
        smooth_l1_beta=0.0,
        class_weight=1.0,
        box_weight=1.0,
    )

    def call(objectness: Tensor, deltas: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        return loss(objectness, deltas, anchors, *rest)

    arrays = [
        rng.normal(size=(2, 60)).astype(np.float32),
        rng.normal(size=(2, 60, 4)).astype(np.float32),
        gt_boxes,
        np.array([[True, False]] * 2),
        np.array([[False, False], [False, not equal]]),
        rng.random((2, 60)).astype(np.float32),
    ]
    whole, mean = whole_and_mean(call, arrays)
    assert np.allclose(whole, mean, rtol=1e-5) == (equal or normalizer == "batch_size")


@pytest.mark.parametrize("equal", [True, False])
def test_box_branch(equal: bool) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (2, 4, 2))
    valid = np.array([[True] * 4, [True, True, equal, equal]])
    arrays = [
        rng.normal(size=(2, 4, 4)).astype(np.float32),
        rng.normal(size=(2, 4, 3, 4)).astype(np.float32),
        np.concatenate((low, low + 10), axis=2).astype(np.float32),
        np.array([[3, 1, 0, 0], [2, 0, 0, 0]], np.int32),
        valid,
        np.zeros((2, 4), np.int32),
        np.float32([[[3, 4, 20, 24]], [[1, 1, 9, 9]]]),
    ]
    error = SmoothL1Error(coder_weights=(10.0, 10.0, 5.0, 5.0), beta=0.0)
    loss = BoxLoss(box_error=error, class_weight=1.0, box_weight=1.0)

    def call(logits: Tensor, deltas: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        return loss(logits.reshape(-1, 4), deltas.reshape(-1, 3, 4), rest[:4], rest[4])

    whole, mean = whole_and_mean(call, arrays)
    assert np.allclose(whole, mean, rtol=1e-5) == equal


@pytest.mark.parametrize("positives", [1, 2, 3])
def test_mask_branch(positives: int) -> None:
    """The losses differ: the first image has two positives."""
    rng = np.random.default_rng(0)
    labels = np.zeros((2, 3), np.int32)
    labels[0, :2], labels[1, :positives] = 1, 1
    arrays = [rng.normal(size=(2, 3, 4, 4)).astype(np.float32), rng.integers(0, 2, (2, 3, 4, 4)).astype(np.float32)]
    branch = MaskBranch(pooler=None, head=None, max_positives=3, weight=1.0)  # type: ignore[arg-type]

    def call(logits: Tensor, targets: Tensor, labels: Tensor) -> Tensor:
        return branch.loss(logits.reshape(-1, 4, 4), targets.reshape(-1, 4, 4), labels)

    whole, mean = whole_and_mean(call, [*arrays, labels])
    assert np.allclose(whole, mean, rtol=1e-5) == (positives == 2)
    weights = np.array([1 / 2, 1 / positives]) / 2  # weight of a positive of either image in the mean over batches
    errors = [losses_of(call, [*arrays, labels], slice(image, image + 1))[0] for image in range(2)]
    np.testing.assert_allclose(mean, np.dot(weights, np.array(errors) * [2, positives]), rtol=1e-5)
