"""Box head, losses and selection of detections against loops."""

import math
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from mindrcnn.models.box_branch import BoxBranch, BoxHead, BoxLoss, DetectionSelector
from mindrcnn.models.box_errors import SmoothL1Error
from mindrcnn.models.layers import RoiPooler

CODER = (10.0, 8.0, 5.0, 4.0)
CLASS_WEIGHT, BOX_WEIGHT, BETA = 2.0, 3.0, 0.5
SIZES = np.array([[60, 90], [50, 64]], np.int32)
Arrays = dict[str, np.ndarray]


def tensors(arrays: Arrays) -> list[Tensor]:
    return [Tensor(array) for array in arrays.values()]


# ----------------------------------------------------------------------------------------------------------------- head


def test_head_equals_numpy(mode: str) -> None:
    rng = np.random.default_rng(0)
    head = BoxHead(in_channels=2, resolution=3, fc_channels=6, num_classes=4)
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    weights = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    pooled = rng.normal(size=(5, 2, 3, 3)).astype(np.float32)
    logits, deltas = (output.asnumpy() for output in head(Tensor(pooled), Tensor(np.ones(len(pooled), bool))))
    assert (logits.shape, deltas.shape) == ((5, 5), (5, 4, 4))
    for row in range(5):
        hidden = pooled[row].reshape(-1)
        for name in ("fc1", "fc2"):
            hidden = np.maximum(weights[f"{name}.weight"] @ hidden + weights[f"{name}.bias"], 0)
        for name, ours in (("class_logits", logits[row]), ("deltas", deltas[row].reshape(-1))):
            wanted = weights[f"{name}.weight"] @ hidden + weights[f"{name}.bias"]
            np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-4)


def test_a_class_agnostic_head_has_the_same_deltas_for_all_classes(mode: str) -> None:
    rng = np.random.default_rng(0)
    head = BoxHead(in_channels=2, resolution=3, fc_channels=6, num_classes=4, class_agnostic=True)
    for parameter in head.get_parameters():
        parameter.set_data(Tensor(rng.normal(size=parameter.shape).astype(np.float32)))
    assert head.deltas.weight.shape == (4, 6)
    pooled = rng.normal(size=(5, 2, 3, 3)).astype(np.float32)
    _, deltas = (output.asnumpy() for output in head(Tensor(pooled), Tensor(np.ones(len(pooled), bool))))
    assert deltas.shape == (5, 4, 4)
    hidden = pooled.reshape(5, -1)
    for layer in (head.fc1, head.fc2):
        hidden = np.maximum(hidden @ layer.weight.asnumpy().T + layer.bias.asnumpy(), 0)
    wanted = hidden @ head.deltas.weight.asnumpy().T + head.deltas.bias.asnumpy()
    for label in range(4):
        np.testing.assert_allclose(deltas[:, label], wanted, rtol=1e-4, atol=1e-4)


def test_initial_values() -> None:
    """The values are those of detectron2 and torchvision: uniform in hidden layers, narrow normals in outputs."""
    head = BoxHead(in_channels=8, resolution=7, fc_channels=200, num_classes=20)
    values = {name: value.asnumpy() for name, value in head.parameters_dict().items()}
    assert not any(value.any() for name, value in values.items() if name.endswith("bias"))
    for name in ("fc1", "fc2"):
        bound = math.sqrt(3 / values[f"{name}.weight"].shape[1])
        assert np.abs(values[f"{name}.weight"]).max() == pytest.approx(bound, rel=0.01)
    assert values["class_logits.weight"].std() == pytest.approx(0.01, rel=0.1)
    assert values["deltas.weight"].std() == pytest.approx(0.001, rel=0.1)


# -------------------------------------------------------------------------------------------------------------- pooling


def test_pooler_reads_p2_to_p5_by_box_size() -> None:
    features = tuple(
        Tensor(np.full((1, 2, side, side), level, np.float32)) for level, side in enumerate((64, 32, 16, 8, 4))
    )
    sides = (40, 112, 224, 448, 700)
    boxes = np.array([[[0, 0, side, side] for side in sides]], np.float32) / np.float32(1)
    valid = np.array([[True, True, True, True, False]])
    pooled = RoiPooler(resolution=2, sampling_ratio=1, aligned=True)(features, Tensor(boxes), Tensor(valid)).asnumpy()
    assert pooled.shape == (5, 2, 2, 2)
    assert [sorted(set(row.reshape(-1).tolist())) for row in pooled[:2]] == [[0.0], [1.0]]
    assert pooled[2, 0, 0, 0] == 2
    assert pooled[3, 0, 0, 0] == 3
    assert not pooled[4].any()


# ----------------------------------------------------------------------------------------------------------------- loss


def build_loss(beta: float = BETA) -> BoxLoss:
    return BoxLoss(
        box_error=SmoothL1Error(coder_weights=CODER, beta=beta), class_weight=CLASS_WEIGHT, box_weight=BOX_WEIGHT
    )


def make_samples() -> Arrays:
    """Two images, four samples each: positives first, one and two slots unused; three classes."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 30, (2, 4, 2))
    boxes = np.concatenate((low, low + rng.uniform(5, 20, (2, 4, 2))), axis=2).astype(np.float32)
    boxes[0, 3], boxes[1, 2:] = 0, 0
    return {
        "logits": rng.normal(size=(8, 4)).astype(np.float32),
        "deltas": rng.normal(size=(8, 3, 4)).astype(np.float32),
        "boxes": boxes,
        "labels": np.array([[3, 1, 0, 0], [2, 0, 0, 0]], np.int32),
        "valid": np.array([[True, True, True, False], [True, True, False, False]]),
        "matched": np.array([[1, 0, 0, 0], [1, 0, 0, 0]], np.int32),
        "gt_boxes": np.array([[[3, 4, 20, 24], [8, 10, 30, 33]], [[1, 1, 9, 9], [12, 3, 40, 29]]], np.float32),
    }


def reference_deltas(box: np.ndarray, reference: np.ndarray) -> list[float]:
    (x, y), (w, h) = (reference[:2] + reference[2:]) / 2, reference[2:] - reference[:2]
    (box_x, box_y), (box_w, box_h) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    plain = (box_x - x) / w, (box_y - y) / h, math.log(box_w / w), math.log(box_h / h)
    return [weight * value for weight, value in zip(CODER, plain, strict=True)]


def reference_loss(case: Arrays, beta: float) -> tuple[tuple[float, float], np.ndarray]:
    """Both losses, and the gradient of the box loss with respect to deltas."""
    class_loss = box_loss = 0.0
    gradient = np.zeros(case["deltas"].shape)
    for row, (image, slot) in enumerate(np.ndindex(2, 4)):
        if not case["valid"][image, slot]:
            continue
        label = case["labels"][image, slot]
        exponentials = np.exp(case["logits"][row].astype(np.float64))
        class_loss -= math.log(exponentials[label] / exponentials.sum())
        if label == 0:
            continue
        gt = case["gt_boxes"][image, case["matched"][image, slot]]
        for axis, wanted in enumerate(reference_deltas(gt, case["boxes"][image, slot])):
            difference = case["deltas"][row, label - 1, axis] - wanted
            small = abs(difference) < beta
            box_loss += 0.5 * difference**2 / beta if small else abs(difference) - 0.5 * beta
            gradient[row, label - 1, axis] = difference / beta if small else math.copysign(1, difference)
    count = case["valid"].sum()
    return (class_loss * CLASS_WEIGHT / count, box_loss * BOX_WEIGHT / count), gradient * BOX_WEIGHT / count


def run_loss(loss: BoxLoss, case: Arrays) -> tuple[list[float], list[np.ndarray]]:
    def total(logits: Tensor, deltas: Tensor, *others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        class_loss, box_loss = loss(logits, deltas, others[:4], others[4])
        return class_loss + box_loss, class_loss, box_loss

    (_, *losses), gradients = ms.value_and_grad(total, (0, 1), has_aux=True)(*tensors(case))
    return [float(value) for value in losses], [gradient.asnumpy() for gradient in gradients]


def test_loss_equals_a_loop(mode: str) -> None:
    case = make_samples()
    losses, (d_logits, d_deltas) = run_loss(build_loss(), case)
    wanted, wanted_gradient = reference_loss(case, BETA)
    np.testing.assert_allclose(losses, wanted, rtol=1e-5)
    np.testing.assert_allclose(d_deltas, wanted_gradient, rtol=1e-4, atol=1e-6)
    assert (d_logits != 0).any(axis=1).tolist() == case["valid"].reshape(-1).tolist()


def test_loss_with_plain_l1() -> None:
    case = make_samples()
    np.testing.assert_allclose(run_loss(build_loss(0.0), case)[0], reference_loss(case, 0.0)[0], rtol=1e-5)


def test_loss_without_positives() -> None:
    case = make_samples()
    case["labels"][:] = 0
    losses, (_, d_deltas) = run_loss(build_loss(), case)
    assert losses[0] == pytest.approx(reference_loss(case, BETA)[0][0], rel=1e-5)
    assert losses[1] == 0.0
    assert not d_deltas.any()


def test_loss_without_samples() -> None:
    case = make_samples()
    case["labels"][:], case["valid"][:] = 0, False
    losses, gradients = run_loss(build_loss(), case)
    assert losses == [0.0, 0.0]
    assert not any(gradient.any() for gradient in gradients)


def test_loss_finite_for_huge_outputs() -> None:
    case = make_samples()
    case["logits"] *= 1e6
    case["deltas"] *= 1e6
    losses, gradients = run_loss(build_loss(), case)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


# ----------------------------------------------------------------------------------------------------------- detections


def build_selector(**changes: Any) -> DetectionSelector:
    settings: dict[str, Any] = {
        "coder_weights": CODER,
        "score_thresh": 0.2,
        "nms_thresh": 0.5,
        "detections_per_image": 6,
        "pre_nms_topk": 1000,
    }
    return DetectionSelector(**(settings | changes))


def make_outputs(seed: int = 0) -> Arrays:
    """Ten proposals per image, in two crowded places; three classes; two proposals of image 1 invalid."""
    rng = np.random.default_rng(seed)
    centre = np.where(np.arange(10)[:, None] < 5, [20, 20], [60, 35])
    half = np.array([15, 12])
    proposals = np.concatenate((centre - half, centre + half), axis=1) + rng.uniform(-5, 5, (2, 10, 4))
    valid = np.ones((2, 10), bool)
    valid[1, 8:] = False
    return {
        "logits": (rng.normal(size=(20, 4)) * 1.5).astype(np.float32),
        "deltas": rng.normal(size=(20, 3, 4)).astype(np.float32),
        "proposals": proposals.astype(np.float32),
        "valid": valid,
        "image_sizes": SIZES,
    }


def reference_box(delta: np.ndarray, box: np.ndarray, size: np.ndarray) -> np.ndarray:
    (x, y), (w, h) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    dx, dy, dw, dh = delta / CODER
    x, y, w, h = x + dx * w, y + dy * h, w * math.exp(min(dw, 4.135)), h * math.exp(min(dh, 4.135))
    return np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, [size[1], size[0], size[1], size[0]])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter) if inter > 0 else 0.0


def reference_detections(case: Arrays, image: int, limit: int) -> list[tuple[float, int, np.ndarray]]:
    """(score, label, box) of one image, best first: threshold, suppression class by class, best of all."""
    found = []
    for label in (1, 2, 3):
        candidates = []
        for slot in np.flatnonzero(case["valid"][image]):
            row = image * 10 + slot
            exponentials = np.exp(case["logits"][row].astype(np.float64))
            box = reference_box(case["deltas"][row, label - 1], case["proposals"][image, slot], SIZES[image])
            candidates.append((exponentials[label] / exponentials.sum(), label, box))
        kept: list[tuple[float, int, np.ndarray]] = []
        for candidate in sorted(candidates, key=lambda candidate: -candidate[0]):
            if candidate[0] > 0.2 and all(iou(candidate[2], other[2]) <= 0.5 for other in kept):
                kept.append(candidate)
        found += kept
    return sorted(found, key=lambda detection: -detection[0])[:limit]


def select(selector: DetectionSelector, case: Arrays) -> tuple[np.ndarray, ...]:
    return tuple(output.asnumpy() for output in selector(*tensors(case)))


def compare(case: Arrays, outputs: tuple[np.ndarray, ...], limit: int) -> list[int]:
    boxes, scores, labels, valid = outputs
    counts = []
    for image in range(2):
        wanted = reference_detections(case, image, limit)
        assert valid[image].tolist() == [slot < len(wanted) for slot in range(valid.shape[1])]
        assert labels[image, : len(wanted)].tolist() == [label for _, label, _ in wanted]
        np.testing.assert_allclose(scores[image, : len(wanted)], [score for score, _, _ in wanted], rtol=1e-5)
        np.testing.assert_allclose(boxes[image, : len(wanted)], [box for _, _, box in wanted], rtol=1e-4, atol=1e-3)
        for padding in (boxes, scores, labels):
            assert not padding[image, len(wanted) :].any()
        counts.append(len(wanted))
    return counts


def test_detections_equal_a_loop(mode: str) -> None:
    case = make_outputs()
    outputs = select(build_selector(), case)
    assert [output.dtype for output in outputs] == [np.float32, np.float32, np.int32, np.bool_]
    assert compare(case, outputs, 6) == [6, 6]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fewer_detections_than_slots(seed: int) -> None:
    case = make_outputs(seed)
    outputs = select(build_selector(detections_per_image=25), case)
    assert outputs[0].shape == (2, 25, 4)
    assert max(compare(case, outputs, 25)) < 25
    assert outputs[0][1, :, [0, 2]].max() <= SIZES[1, 1]
    assert outputs[0][1, :, [1, 3]].max() <= SIZES[1, 0]


def test_no_detection() -> None:
    boxes, scores, labels, valid = select(build_selector(score_thresh=1.0), make_outputs())
    assert not any(output.any() for output in (boxes, scores, labels, valid))
    case = make_outputs()
    case["valid"][:] = False
    assert not any(output.any() for output in select(build_selector(), case))


def test_score_at_the_threshold_is_dropped() -> None:
    case = make_outputs()
    case["logits"][:] = 0  # every class at exactly one quarter
    assert not select(build_selector(score_thresh=0.25), case)[3].any()
    assert select(build_selector(score_thresh=0.2499), case)[3].any()


def test_pre_nms_topk_limits_the_candidates() -> None:
    case = make_outputs()
    best = select(build_selector(), case)
    few = select(build_selector(pre_nms_topk=1), case)
    np.testing.assert_array_equal(few[0][:, 0], best[0][:, 0])
    assert few[3].sum(axis=1).tolist() == [1, 1]


def test_one_box_may_have_two_classes() -> None:
    case = make_outputs()
    case["valid"][:, 1:] = False
    case["deltas"][:] = 0
    case["logits"][:] = [0, 5, 5.1, 0]
    _, _, labels, valid = select(build_selector(), case)
    assert labels[:, :2].tolist() == [[2, 1]] * 2
    assert valid.sum(axis=1).tolist() == [2, 2]


# --------------------------------------------------------------------------------------------------------------- branch


class RowNumbers(nn.Cell):
    """A pooler that marks each box's row, so that a head can look up prepared outputs."""

    def construct(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> Tensor:
        return ms.ops.arange(boxes.shape[0] * boxes.shape[1]).astype(ms.int32)


class PreparedOutputs(nn.Cell):
    def __init__(self, logits: np.ndarray, deltas: np.ndarray) -> None:
        super().__init__()
        self.logits, self.deltas = Tensor(logits), Tensor(deltas)

    def construct(self, rows: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        return self.logits[rows], self.deltas[rows]


def test_branch_joins_its_parts() -> None:
    samples, outputs = make_samples(), make_outputs()
    loss, selector = build_loss(), build_selector()
    head = PreparedOutputs(samples["logits"], samples["deltas"])
    branch = BoxBranch(pooler=RowNumbers(), head=head, loss=loss, selector=selector)
    *sample, gt_boxes = tensors(samples)[2:]
    losses, passed_on = branch.losses_and_samples((), tuple(sample), gt_boxes)
    for array, other in zip(passed_on, sample, strict=True):
        np.testing.assert_array_equal(array.asnumpy(), other.asnumpy())
    np.testing.assert_allclose([float(value) for value in losses], reference_loss(samples, BETA)[0], rtol=1e-5)
    branch.head = PreparedOutputs(outputs["logits"], outputs["deltas"])
    found = branch.predict((), *tensors(outputs)[2:])
    compare(outputs, tuple(output.asnumpy() for output in found), 6)
    assert branch.loss_names == ("loss_cls", "loss_box_reg")


def test_samples_on_predicted_boxes() -> None:
    samples = make_samples()
    head = PreparedOutputs(samples["logits"], samples["deltas"])
    parts = {"pooler": RowNumbers(), "head": head, "loss": build_loss(), "selector": build_selector()}
    branch = BoxBranch(**parts, train_on_pred_boxes=True)
    *sample, gt_boxes = tensors(samples)[2:]

    def total(head_deltas: Tensor, *sample: Tensor) -> Tensor:
        branch.head.deltas = head_deltas
        return branch.losses_and_samples((), sample, gt_boxes)[1][0].sum()

    _, (boxes, *rest) = branch.losses_and_samples((), tuple(sample), gt_boxes)
    for array, other in zip(rest, sample[1:], strict=True):
        np.testing.assert_array_equal(array.asnumpy(), other.asnumpy())
    deltas = samples["deltas"].reshape(*samples["labels"].shape, -1, 4)
    positives = 0
    for image, slot in np.argwhere(samples["labels"] > 0):
        found = reference_deltas(boxes.asnumpy()[image, slot], samples["boxes"][image, slot])
        own = deltas[image, slot, samples["labels"][image, slot] - 1]
        np.testing.assert_allclose(found, own, rtol=1e-3, atol=1e-4)
        positives += 1
    assert positives == 3
    assert not ms.grad(total)(Tensor(samples["deltas"]), *sample).asnumpy().any()
