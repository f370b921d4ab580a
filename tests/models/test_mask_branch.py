"""Mask head, losses and probabilities against loops."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from prepared_heads import PreparedLogits, RowNumbers

from mindrcnn.models.mask_branch import MaskBranch, MaskHead

CLASSES, SIDE = 3, 4
WEIGHT = 2.0
Arrays = dict[str, np.ndarray]


def test_head_equals_numpy(mode: str) -> None:
    rng = np.random.default_rng(0)
    head = MaskHead(in_channels=2, num_convs=2, channels=3, num_classes=CLASSES)
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    pooled = rng.normal(size=(2, 2, 3, 3)).astype(np.float32)
    both, labels = np.ones(2, bool), np.arange(CLASSES, dtype=np.int32)[:, None] + np.ones(2, np.int32)
    logits = np.stack([head(Tensor(pooled), Tensor(label), Tensor(both)).asnumpy() for label in labels], axis=1)
    assert logits.shape == (2, CLASSES, 6, 6)
    for row in range(2):
        hidden = pooled[row]
        for index in range(2):
            padded = np.pad(hidden, ((0, 0), (1, 1), (1, 1)))
            hidden = np.zeros((3, 3, 3))
            for y, x in np.ndindex(3, 3):
                window = padded[:, y : y + 3, x : x + 3]
                hidden[:, y, x] = [(window * kernel).sum() for kernel in values[f"convs.{index}.weight"]]
            hidden = np.maximum(hidden + values[f"convs.{index}.bias"].reshape(-1, 1, 1), 0)
        for y, x in np.ndindex(6, 6):  # the transposed convolution: every pixel becomes a 2x2 block
            block = values["upsample.weight"][:, :, y % 2, x % 2]
            upsampled = np.maximum(hidden[:, y // 2, x // 2] @ block + values["upsample.bias"], 0)
            wanted = values["mask_logits.weight"][:, :, 0, 0] @ upsampled + values["mask_logits.bias"]
            np.testing.assert_allclose(logits[row, :, y, x], wanted, rtol=1e-4, atol=1e-3)


def test_initial_values() -> None:
    head = MaskHead(in_channels=32, num_convs=2, channels=64, num_classes=40)
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    assert not any(value.any() for name, value in values.items() if name.endswith("bias"))
    assert values["convs.0.weight"].std() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    assert values["convs.1.weight"].std() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    assert values["upsample.weight"].std() == pytest.approx(math.sqrt(2 / (64 * 4)), rel=0.05)
    assert values["mask_logits.weight"].std() == pytest.approx(0.001, rel=0.1)


# --------------------------------------------------------------------------------------------------------------- branch


def build_branch(logits: np.ndarray, max_positives: int = 2) -> MaskBranch:
    return MaskBranch(pooler=RowNumbers(), head=PreparedLogits(logits), max_positives=max_positives, weight=WEIGHT)


def make_case() -> Arrays:
    """Two images, four samples each, at most two positives: two in the first image, one in the second.

    Sample boxes are an object's box, or its left half.
    """
    rng = np.random.default_rng(0)
    gt_boxes = np.float32([[[10, 10, 30, 50], [40, 20, 80, 60]], [[0, 0, 16, 16], [20, 20, 60, 40]]])
    boxes = np.tile(np.float32([0, 0, 8, 8]), (2, 4, 1))
    boxes[0, 0] = gt_boxes[0, 1]
    boxes[0, 1] = [10, 10, 20, 50]
    boxes[1, 0] = gt_boxes[1, 1]
    return {
        "boxes": boxes,
        "labels": np.array([[3, 1, 0, 0], [2, 0, 0, 0]], np.int32),
        "valid": np.ones((2, 4), bool),
        "matched": np.array([[1, 0, 0, 0], [1, 0, 0, 0]], np.int32),
        "gt_boxes": gt_boxes,
        "gt_labels": np.array([[1, 3], [1, 2]], np.int32),
        "gt_valid": np.ones((2, 2), bool),
        "gt_crowd": np.zeros((2, 2), bool),
        "gt_masks": rng.integers(0, 2, (2, 2, SIDE, SIDE)).astype(np.uint8),
        "logits": rng.normal(size=(4, CLASSES, SIDE, SIDE)).astype(np.float32),
    }


def reference(case: Arrays) -> tuple[float, np.ndarray]:
    """Loss and its gradient with respect to the logits of the two leading samples of each image."""
    left_half = case["gt_masks"][0, 0][:, [0, 0, 1, 1]]
    positives = [(0, 3, case["gt_masks"][0, 1]), (1, 1, left_half), (2, 2, case["gt_masks"][1, 1])]
    loss, gradient = 0.0, np.zeros(case["logits"].shape)
    for row, label, target in positives:
        for y, x in np.ndindex(SIDE, SIDE):
            probability = 1 / (1 + math.exp(-case["logits"][row, label - 1, y, x]))
            loss -= math.log(probability if target[y, x] else 1 - probability)
            gradient[row, label - 1, y, x] = probability - target[y, x]
    scale = WEIGHT / (len(positives) * SIDE * SIDE)
    return loss * scale, gradient * scale


def run_losses(branch: MaskBranch, case: Arrays) -> tuple[float, np.ndarray]:
    def total(*arguments: Tensor) -> Tensor:
        return branch.losses((), arguments[:4], arguments[4:9])[0]

    arguments = [Tensor(array) for name, array in case.items() if name != "logits"]
    loss, gradients = ms.value_and_grad(total, None, branch.trainable_params())(*arguments)
    return float(loss), gradients[0].asnumpy()


def test_loss_is_the_mean_over_positives_at_their_own_class() -> None:
    case = make_case()
    branch = build_branch(case["logits"])
    loss, gradient = run_losses(branch, case)
    wanted, wanted_gradient = reference(case)
    assert loss == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(gradient, wanted_gradient, rtol=1e-4, atol=1e-6)
    assert branch.loss_names == ("loss_mask",)


def test_only_slots_of_positives_are_pooled() -> None:
    case = make_case()
    branch = build_branch(case["logits"])
    branch.losses((), *(tuple(Tensor(v) for v in list(case.values())[part]) for part in (slice(0, 4), slice(4, 9))))
    boxes, positive = branch.pooler.asked[-1]
    np.testing.assert_array_equal(boxes.asnumpy(), case["boxes"][:, :2])
    assert positive.asnumpy().tolist() == [[True, True], [True, False]]
    more = build_branch(np.zeros((8, CLASSES, SIDE, SIDE), np.float32), max_positives=9)  # more than there are samples
    more.losses((), *(tuple(Tensor(v) for v in list(case.values())[part]) for part in (slice(0, 4), slice(4, 9))))
    assert more.pooler.asked[-1][0].shape == (2, 4, 4)


def test_it_uses_no_noise() -> None:
    assert build_branch(make_case()["logits"]).noise_shapes(2) == ()


def test_loss_without_positives_is_exactly_zero() -> None:
    case = make_case()
    case["labels"][:] = 0
    case["gt_boxes"][:], case["gt_masks"][:] = 0, 0
    loss, gradient = run_losses(build_branch(case["logits"]), case)
    assert loss == 0.0
    assert not gradient.any()


def test_predict_is_the_probability_of_the_own_class() -> None:
    case = make_case()
    branch = build_branch(case["logits"])
    boxes = Tensor(case["boxes"][:, :2])
    scores = Tensor(np.float32([[0.9, 0.4], [0.8, 0.0]]))
    labels, valid = np.array([[3, 1], [2, 0]], np.int32), np.array([[True, True], [True, False]])
    masks, mask_scores = branch.predict((), (boxes, scores, Tensor(labels), Tensor(valid)))
    assert masks.shape == (2, 2, SIDE, SIDE)
    for row, (image, slot) in enumerate(np.ndindex(2, 2)):
        logits = case["logits"][row, max(labels[image, slot] - 1, 0)]
        np.testing.assert_allclose(masks.asnumpy()[image, slot], 1 / (1 + np.exp(-logits)), rtol=1e-5)
    np.testing.assert_array_equal(mask_scores.asnumpy(), scores.asnumpy())
    assert branch.pooler.asked[-1][1].asnumpy().tolist() == valid.tolist()
