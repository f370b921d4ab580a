"""IoU head, losses and mask scores against loops."""

import math

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from prepared_heads import PreparedLogits, RowNumbers

from mindrcnn.models.layers import RoiPooler
from mindrcnn.models.mask_branch import MaskBranch, MaskHead
from mindrcnn.models.mask_scoring_branch import MaskIoUHead, MaskScoringBranch

CLASSES, SIDE = 3, 4
MASK_WEIGHT, IOU_WEIGHT = 2.0, 3.0
Arrays = dict[str, np.ndarray]


def convolve(image: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    sides = [range(0, side, stride) for side in image.shape[1:]]
    return np.array(
        [[[(padded[:, y : y + 3, x : x + 3] * kernel).sum() for x in sides[1]] for y in sides[0]] for kernel in weight]
    ) + bias.reshape(-1, 1, 1)


@pytest.mark.parametrize(("resolution", "channels"), [(4, 3), (3, 3), (4, 32)])
def test_head_equals_numpy(mode: str, resolution: int, channels: int) -> None:
    rng = np.random.default_rng(0)
    in_channels = channels - 1 if channels < 32 else channels  # 33 channels, the mask's included, are filled up
    head = MaskIoUHead(
        in_channels=in_channels, resolution=resolution, num_convs=2, channels=channels, fc_channels=5, num_classes=4
    )
    scale = np.sqrt(3 / channels)  # sums of more channels do not get larger
    for parameter in head.get_parameters():
        parameter.set_data(Tensor((scale * rng.normal(size=parameter.shape)).astype(np.float32)))
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    pooled = rng.normal(size=(3, in_channels, resolution, resolution)).astype(np.float32)
    masks = rng.uniform(size=(3, 2 * resolution, 2 * resolution)).astype(np.float32)
    ious = head(Tensor(pooled), Tensor(masks), Tensor([True, False, True])).asnumpy()
    assert ious.shape == (3, 4)
    for row in (0, 2):
        smaller = masks[row].reshape(resolution, 2, resolution, 2).max(axis=(1, 3))
        hidden = np.concatenate([pooled[row], smaller[None]])
        for index, stride in ((0, 1), (1, 2)):
            weight, bias = values[f"convs.{index}.weight"], values[f"convs.{index}.bias"]
            hidden = np.maximum(convolve(hidden, weight, bias, stride), 0)
        hidden = hidden.reshape(-1)  # channels first, then rows
        for name in ("fc1", "fc2"):
            hidden = np.maximum(values[f"{name}.weight"] @ hidden + values[f"{name}.bias"], 0)
        wanted = values["iou.weight"] @ hidden + values["iou.bias"]
        np.testing.assert_allclose(ious[row], wanted, rtol=1e-4, atol=1e-2)


def test_initial_values() -> None:
    head = MaskIoUHead(in_channels=31, resolution=4, num_convs=3, channels=64, fc_channels=200, num_classes=40)
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    assert not any(value.any() for name, value in values.items() if name.endswith("bias"))
    for index in range(3):
        assert values[f"convs.{index}.weight"].std() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    for name, inputs in (("fc1", 64 * 4), ("fc2", 200)):
        assert np.abs(values[f"{name}.weight"]).max() == pytest.approx(math.sqrt(3 / inputs), rel=0.01)
        assert values[f"{name}.weight"].std() == pytest.approx(math.sqrt(1 / inputs), rel=0.05)
    assert values["iou.weight"].std() == pytest.approx(0.01, rel=0.05)


def test_shapes_of_the_standard_head() -> None:
    head = MaskIoUHead(in_channels=256, resolution=14, num_convs=4, channels=256, fc_channels=1024, num_classes=80)
    shapes = {name: tuple(value.shape) for name, value in head.parameters_dict().items()}
    convs = {f"convs.{index}.weight": (256, 257 if index == 0 else 256, 3, 3) for index in range(4)}
    dense = {"fc1.weight": (1024, 256 * 7 * 7), "fc2.weight": (1024, 1024), "iou.weight": (80, 1024)}
    biases = {name.replace("weight", "bias"): shape[:1] for name, shape in (convs | dense).items()}
    assert shapes == convs | dense | biases


# --------------------------------------------------------------------------------------------------------------- branch


class PreparedIous(nn.Cell):
    """Prepared IoUs plus the mean of the mask, so that the gradient to the mask is known."""

    def __init__(self, ious: np.ndarray) -> None:
        super().__init__()
        self.ious = ms.Parameter(ious, name="ious")

    def construct(self, rows: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
        return ms.ops.gather(self.ious, rows, 0) + masks.mean(axis=(1, 2)).expand_dims(1)


def build_branch(case: Arrays, *, mask_logit_thresh: float = 0.0) -> MaskScoringBranch:
    mask = MaskBranch(pooler=RowNumbers(), head=PreparedLogits(case["logits"]), max_positives=2, weight=MASK_WEIGHT)
    return MaskScoringBranch(
        mask=mask,
        iou_head=PreparedIous(case["ious"]),
        mask_logit_thresh=mask_logit_thresh,
        area_eps=0.0,
        weight=IOU_WEIGHT,
    )


def make_case() -> Arrays:
    """Two images, four samples each; positives are two in the first image and one in the second.

    The first sample is its object's box; the second the left half of a full mask; the third is its object's box, but no
    predicted cell lies on the object.
    """
    rng = np.random.default_rng(0)
    gt_boxes = np.float32([[[10, 10, 30, 50], [40, 20, 80, 60]], [[0, 0, 16, 16], [20, 20, 60, 40]]])
    boxes = np.tile(np.float32([0, 0, 8, 8]), (2, 4, 1))
    boxes[0, 0], boxes[0, 1], boxes[1, 0] = gt_boxes[0, 1], [10, 10, 20, 50], gt_boxes[1, 1]
    gt_masks = rng.integers(0, 2, (2, 2, SIDE, SIDE)).astype(np.uint8)
    gt_masks[0, 0] = 1
    logits = rng.normal(size=(4, CLASSES, SIDE, SIDE)).astype(np.float32)
    logits[2, 1] = np.where(gt_masks[1, 1], -1, 1)
    return {
        "boxes": boxes,
        "labels": np.array([[3, 1, 0, 0], [2, 0, 0, 0]], np.int32),
        "valid": np.ones((2, 4), bool),
        "matched": np.array([[1, 0, 0, 0], [1, 0, 0, 0]], np.int32),
        "gt_boxes": gt_boxes,
        "gt_labels": np.array([[1, 3], [1, 2]], np.int32),
        "gt_valid": np.ones((2, 2), bool),
        "gt_crowd": np.zeros((2, 2), bool),
        "gt_masks": gt_masks,
        "logits": logits,
        "ious": rng.uniform(size=(4, CLASSES)).astype(np.float32),
    }


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def reference(case: Arrays, thresh: float) -> tuple[float, Arrays]:
    """IoU loss and its gradients, from the first two positives; the third's true IoU is 0 and does not count."""
    positives = [(0, 2, case["gt_masks"][0, 1], 0), (1, 0, np.ones((SIDE, SIDE)), SIDE * SIDE)]
    loss, gradients = 0.0, {"logits": np.zeros(case["logits"].shape), "ious": np.zeros(case["ious"].shape)}
    for row, index, target, outside in positives:
        mask = case["logits"][row, index] > thresh
        overlap = (mask & (target > 0)).sum()
        true = overlap / ((mask | (target > 0)).sum() + outside)
        probability = sigmoid(case["logits"][row, index])
        difference = case["ious"][row, index] + probability.mean() - true
        loss += 0.5 * difference**2
        gradients["ious"][row, index] = difference
        gradients["logits"][row, index] = difference * probability * (1 - probability) / SIDE**2
    scale = IOU_WEIGHT / len(positives)
    return loss * scale, {name: gradient * scale for name, gradient in gradients.items()}


def run_losses(branch: MaskScoringBranch, case: Arrays) -> tuple[float, float, Arrays]:
    """Mask loss, IoU loss, and the IoU loss's gradients."""

    def total(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        mask_loss, iou_loss = branch.losses((), arguments[:4], arguments[4:9])
        return iou_loss, mask_loss

    arguments = [Tensor(array) for name, array in case.items() if name not in ("logits", "ious")]
    parameters = branch.trainable_params()
    (iou_loss, mask_loss), gradients = ms.value_and_grad(total, None, parameters, has_aux=True)(*arguments)
    names = [parameter.name.rsplit(".")[-1] for parameter in parameters]
    by_name = {name: gradient.asnumpy() for name, gradient in zip(names, gradients, strict=True)}
    return float(mask_loss), float(iou_loss), by_name


@pytest.mark.parametrize("thresh", [0.0, 0.5])
def test_iou_loss_and_its_gradients(thresh: float) -> None:
    case = make_case()
    _, loss, gradients = run_losses(build_branch(case, mask_logit_thresh=thresh), case)
    wanted, wanted_gradients = reference(case, thresh)
    assert loss == pytest.approx(wanted, rel=1e-5)
    for name, gradient in wanted_gradients.items():
        assert gradient.any()
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-4, atol=1e-7)


def test_the_two_thresholds_differ() -> None:
    assert reference(make_case(), 0.0)[0] != pytest.approx(reference(make_case(), 0.5)[0], rel=1e-3)


def test_mask_loss_is_mask_rcnns_and_features_are_pooled_once() -> None:
    case = make_case()
    branch = build_branch(case)
    mask_loss, _, _ = run_losses(branch, case)
    assert len(branch.mask.pooler.asked) == 1
    arguments = [Tensor(array) for array in case.values()]
    (alone,) = branch.mask.losses((), tuple(arguments[:4]), tuple(arguments[4:9]))
    assert mask_loss == float(alone) > 0
    assert branch.loss_names == ("loss_mask", "loss_mask_iou")


def test_losses_without_positives_are_exactly_zero() -> None:
    case = make_case()
    case["labels"][:] = 0
    case["gt_boxes"][:], case["gt_masks"][:] = 0, 0
    mask_loss, iou_loss, gradients = run_losses(build_branch(case), case)
    assert (mask_loss, iou_loss) == (0.0, 0.0)
    assert not any(gradient.any() for gradient in gradients.values())


def test_loss_where_no_mask_meets_its_object_is_zero() -> None:
    case = make_case()
    case["labels"][0] = 0
    mask_loss, iou_loss, gradients = run_losses(build_branch(case), case)
    assert mask_loss > 0
    assert iou_loss == 0.0
    assert not any(gradient.any() for gradient in gradients.values())


def test_predict() -> None:
    case = make_case()
    branch = build_branch(case)
    boxes = Tensor(case["boxes"][:, :2])
    scores = np.float32([[0.9, 0.4], [0.8, 0.0]])
    labels, valid = np.array([[3, 1], [2, 0]], np.int32), np.array([[True, True], [True, False]])
    masks, mask_scores = branch.predict((), (boxes, Tensor(scores), Tensor(labels), Tensor(valid)))
    assert len(branch.mask.pooler.asked) == 1
    assert masks.shape == (2, 2, SIDE, SIDE)
    assert mask_scores.shape == (2, 2)
    for row, (image, slot) in enumerate(np.ndindex(2, 2)):
        index = max(labels[image, slot] - 1, 0)
        wanted = sigmoid(case["logits"][row, index])
        np.testing.assert_allclose(masks.asnumpy()[image, slot], wanted, rtol=1e-5)
        iou = case["ious"][row, index] + wanted.mean()
        assert mask_scores.asnumpy()[image, slot] == pytest.approx(scores[image, slot] * iou, rel=1e-5)
    assert mask_scores.asnumpy()[1, 1] == 0


# ----------------------------------------------------------------------------------------------------- compiled, whole


class LossesAndGradients(nn.Cell):
    def __init__(self, branch: MaskScoringBranch) -> None:
        super().__init__(auto_prefix=False)
        self.branch = branch
        self.gradient = ms.ops.value_and_grad(self.total, None, branch.trainable_params(), has_aux=True)

    def total(self, features: tuple[Tensor, ...], *batch: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        losses = self.branch.losses(features, batch[:4], batch[4:])
        return losses[0] + losses[1], losses

    def construct(self, features: tuple[Tensor, ...], *batch: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        (_, losses), gradients = self.gradient(features, *batch)
        return losses, gradients


class Predict(nn.Cell):
    def __init__(self, branch: MaskScoringBranch) -> None:
        super().__init__(auto_prefix=False)
        self.branch = branch

    def construct(self, features: tuple[Tensor, ...], *detections: Tensor) -> tuple[Tensor, Tensor]:
        return self.branch.predict(features, detections)


def run_real_branch(mode: int) -> list[np.ndarray]:
    """Losses, gradients, masks and mask scores of a small branch with every real part."""
    ms.set_context(mode=mode)
    rng = np.random.default_rng(5)
    mask = MaskBranch(
        pooler=RoiPooler(resolution=4, sampling_ratio=2, aligned=True),
        head=MaskHead(in_channels=5, num_convs=1, channels=6, num_classes=CLASSES),
        max_positives=3,
        weight=1.0,
    )
    iou_head = MaskIoUHead(in_channels=5, resolution=4, num_convs=2, channels=6, fc_channels=7, num_classes=CLASSES)
    branch = MaskScoringBranch(mask=mask, iou_head=iou_head, mask_logit_thresh=0.0, area_eps=1e-7, weight=1.0)
    for parameter in branch.get_parameters():
        parameter.set_data(Tensor((rng.normal(size=parameter.shape) * 0.3).astype(np.float32)))
    features = tuple(Tensor(rng.normal(size=(2, 5, s, s)).astype(np.float32)) for s in (24, 12, 6, 3, 2))
    batch = [Tensor(array) for name, array in make_case().items() if name not in ("logits", "ious")]
    losses, gradients = LossesAndGradients(branch)(features, *batch)
    detections = [batch[0], Tensor(rng.uniform(size=(2, 4)).astype(np.float32)), batch[1], batch[1] > 0]
    outputs = Predict(branch)(features, *detections)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return [tensor.asnumpy() for tensor in (*losses, *gradients, *outputs)]


def test_graph_mode_equals_pynative_mode_and_everything_trains() -> None:
    compiled, eager = run_real_branch(ms.GRAPH_MODE), run_real_branch(ms.PYNATIVE_MODE)
    for one, other in zip(compiled, eager, strict=True):
        assert np.isfinite(one).all()
        assert one.any()
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    parameters_of_both_heads = 2 * (1 + 2) + 2 * (2 + 3)
    assert len(compiled) == 2 + parameters_of_both_heads + 2
