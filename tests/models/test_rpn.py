"""RPN head, anchors and their common order."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.proposals import ProposalSelector
from mindrcnn.models.rpn import STRIDES, AnchorGenerator, AnchorSampler, RegionProposalNetwork, RPNHead, RPNLoss
from mindrcnn.models.sampling import CandidateSampler

CHANNELS = 3
RATIOS = (0.5, 1.0, 2.0)
SIZES = (8.0, 16.0, 32.0, 64.0, 128.0)
HEIGHT, WIDTH = 64, 96
FEATURE_SIZES = ((16, 24), (8, 12), (4, 6), (2, 3), (1, 2))  # P6 of an odd P5 rounds up


def make_features(seed: int = 0) -> tuple[Tensor, ...]:
    rng = np.random.default_rng(seed)
    return tuple(Tensor(rng.normal(size=(2, CHANNELS, *size)).astype(np.float32)) for size in FEATURE_SIZES)


def make_head() -> RPNHead:
    """A head whose weights and biases are all different and not small."""
    rng = np.random.default_rng(1)
    head = RPNHead(channels=CHANNELS, anchors_per_cell=len(RATIOS))
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    return head


def make_anchors(rounded: bool = False) -> AnchorGenerator:
    return AnchorGenerator(sizes=SIZES, aspect_ratios=RATIOS, rounded=rounded)


def make_rpn() -> RegionProposalNetwork:
    sampler = AnchorSampler(
        candidates=CandidateSampler(
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            low_quality="keep",
            low_quality_min_iou=0.0,
            batch_size_per_image=16,
            positive_fraction=0.5,
        )
    )
    loss = RPNLoss(sampler=sampler, normalizer="sampled", smooth_l1_beta=0.0, class_weight=1.0, box_weight=1.0)
    selector = ProposalSelector(pre_nms_topk=(9, 7), post_nms_topk=(30, 20), nms_thresh=0.7, min_size=0.0)
    return RegionProposalNetwork(head=make_head(), anchors=make_anchors(), loss=loss, selector=selector)


def test_head_order_is_row_column_anchor(mode: str) -> None:
    head = make_head()
    weights = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    features = make_features()
    objectness, deltas = head(features)
    anchors = len(RATIOS)
    for level in (2, 4):
        height, width = FEATURE_SIZES[level]
        padded = np.pad(features[level].asnumpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
        assert objectness[level].shape == (2, height * width * anchors)
        assert deltas[level].shape == (2, height * width * anchors, 4)
        for image, row, column in np.ndindex(2, height, width):
            window = padded[image, :, row : row + 3, column : column + 3]
            hidden = np.maximum(
                [(window * kernel).sum() for kernel in weights["conv.weight"]] + weights["conv.bias"], 0
            )
            first = (row * width + column) * anchors
            logits = weights["objectness.weight"][:, :, 0, 0] @ hidden + weights["objectness.bias"]
            offsets = weights["deltas.weight"][:, :, 0, 0] @ hidden + weights["deltas.bias"]
            ours = objectness[level].asnumpy()[image, first : first + anchors]
            np.testing.assert_allclose(ours, logits, rtol=1e-4, atol=1e-4)
            ours = deltas[level].asnumpy()[image, first : first + anchors]
            np.testing.assert_allclose(ours, offsets.reshape(anchors, 4), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rounded", [False, True])
def test_anchors(mode: str, rounded: bool) -> None:
    levels = make_anchors(rounded)(make_features())
    for level, (height, width) in enumerate(FEATURE_SIZES):
        wanted = []
        for row in range(height):
            for column in range(width):
                for ratio in RATIOS:
                    half = SIZES[level] / 2 * np.array([ratio**-0.5, ratio**0.5])
                    half = np.round(half) if rounded else half
                    centre = np.array([column, row]) * STRIDES[level]
                    wanted.append([*(centre - half), *(centre + half)])
        np.testing.assert_allclose(levels[level].asnumpy(), wanted, rtol=1e-5, atol=1e-4)


def test_counts_are_those_of_the_anchors() -> None:
    counts = make_anchors().counts(HEIGHT, WIDTH)
    assert counts == tuple(h * w * len(RATIOS) for h, w in FEATURE_SIZES)
    assert sum(make_anchors().counts(800, 1344)) == 268569  # the number usual for that input


def test_initial_values() -> None:
    head = RPNHead(channels=64, anchors_per_cell=3)
    for name, parameter in head.parameters_dict().items():
        value = parameter.asnumpy()
        if name.endswith("bias"):
            assert not value.any(), name
        else:
            assert value.std() == pytest.approx(0.01, rel=0.2), name


class Case:
    """Arguments of `losses_and_proposals`; one object per image."""

    def __init__(self) -> None:
        self.features = make_features()
        self.image_sizes = Tensor(np.array([[HEIGHT, WIDTH], [50, 70]], np.int32))
        self.gt_boxes = Tensor(np.array([[[10, 10, 40, 44]], [[20, 5, 50, 40]]], np.float32))
        self.gt_valid = Tensor(np.ones((2, 1), bool))
        self.gt_crowd = Tensor(np.zeros((2, 1), bool))
        anchors = sum(make_anchors().counts(HEIGHT, WIDTH))
        self.noise = Tensor(np.random.default_rng(2).random((2, anchors)).astype(np.float32))

    def arguments(self) -> tuple[Tensor, ...]:
        return self.features, self.image_sizes, self.gt_boxes, self.gt_valid, self.gt_crowd, self.noise


def test_losses_and_proposals_are_those_of_the_parts() -> None:
    rpn, case = make_rpn(), Case()
    (class_loss, box_loss), boxes, valid = rpn.losses_and_proposals(*case.arguments())
    objectness, deltas = rpn.head(case.features)
    anchors = rpn.anchors(case.features)
    joined = (ms.ops.cat(parts, axis=axis) for parts, axis in ((objectness, 1), (deltas, 1), (anchors, 0)))
    wanted = rpn.loss(*joined, case.gt_boxes, case.gt_valid, case.gt_crowd, case.noise)
    assert (float(class_loss), float(box_loss)) == pytest.approx([float(value) for value in wanted])
    for training, ours in ((True, (boxes, valid)), (False, rpn.proposals(case.features, case.image_sizes)[::2])):
        expected = rpn.selector(objectness, deltas, anchors, case.image_sizes, training)
        np.testing.assert_allclose(ours[0].asnumpy(), expected[0].asnumpy(), rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(ours[1].asnumpy(), expected[2].asnumpy())


def test_training_and_inference_use_their_own_numbers() -> None:
    rpn, case = make_rpn(), Case()
    _, boxes, _ = rpn.losses_and_proposals(*case.arguments())
    assert boxes.shape[1] == 30
    assert rpn.proposals(case.features, case.image_sizes)[0].shape[1] == 20
    counts = rpn.anchors.counts(HEIGHT, WIDTH)
    assert (rpn.selector.count(counts, True), rpn.selector.count(counts, False)) == (30, 20)


def test_training_proposals_carry_no_gradient() -> None:
    rpn, case = make_rpn(), Case()

    def through_proposals() -> Tensor:
        return rpn.losses_and_proposals(*case.arguments())[1].sum()

    def through_losses() -> Tensor:
        class_loss, box_loss = rpn.losses_and_proposals(*case.arguments())[0]
        return class_loss + box_loss

    parameters = rpn.trainable_params()
    for gradient in ms.grad(through_proposals, None, parameters)():
        assert not gradient.asnumpy().any()
    for gradient in ms.grad(through_losses, None, parameters)():
        assert gradient.asnumpy().any()
