"""A small complete detector: training step and prediction, compiled and eager, and which parameters train."""

from dataclasses import dataclass, replace

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from parity.training import LossesAndGradients
from small_detector import (
    BATCH,
    FEW_LAYERS,
    HEIGHT,
    SLOTS,
    WIDTH,
    Arrays,
    inputs,
    make_batch,
    make_detector,
    without_objects,
)

from mindrcnn.models.detector import Predictor, TrainingLosses, TwoStageDetector
from mindrcnn.models.layers import Norm

NAMES = ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box_reg", "loss_mask")
MOVING = ("moving_mean", "moving_variance")
BATCH_NORM_MOMENTUM = 0.9  # share of the old statistics that stays


def values(detector: nn.Cell) -> Arrays:
    return {name: parameter.asnumpy().copy() for name, parameter in detector.parameters_dict().items()}


@dataclass
class Run:
    """Results of one mode: a training step on the batch, one without objects, and a prediction."""

    before: Arrays
    losses: list[float]
    gradients: Arrays
    after_step: Arrays
    losses_without_objects: list[float]
    gradients_without_objects: Arrays
    detections: list[np.ndarray]
    after_prediction: Arrays


def run_everything(mode: int) -> Run:
    ms.set_context(mode=mode)
    detector = make_detector(FEW_LAYERS)
    names = [parameter.name for parameter in detector.trainable_params()]
    before = values(detector)
    detections = Predictor(detector=detector).set_train(False)(*inputs(detector, make_batch())[:2])
    after_prediction = values(detector)
    step = LossesAndGradients(detector=detector).set_train()
    losses, gradients = step(*inputs(detector, make_batch()))
    after_step = values(detector)
    empty_losses, empty_gradients = step(*inputs(detector, without_objects(make_batch())))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return Run(
        before,
        [float(loss) for loss in losses],
        {name: gradient.asnumpy() for name, gradient in zip(names, gradients, strict=True)},
        after_step,
        [float(loss) for loss in empty_losses],
        {name: gradient.asnumpy() for name, gradient in zip(names, empty_gradients, strict=True)},
        [output.asnumpy() for output in detections],
        after_prediction,
    )


@pytest.fixture(scope="module")
def graph() -> Run:
    return run_everything(ms.GRAPH_MODE)


@pytest.fixture(scope="module")
def pynative() -> Run:
    return run_everything(ms.PYNATIVE_MODE)


@pytest.fixture(scope="module")
def detector() -> TwoStageDetector:
    """A detector for tests that do not change its parameters."""
    return make_detector(FEW_LAYERS)


@pytest.fixture(params=["graph", "pynative"])
def either(request: pytest.FixtureRequest) -> Run:
    return request.getfixturevalue(request.param)


# --------------------------------------------------------------------------------------------------------------- modes


def test_modes_train_alike(graph: Run, pynative: Run) -> None:
    np.testing.assert_allclose(graph.losses, pynative.losses, rtol=1e-4)
    np.testing.assert_allclose(graph.losses_without_objects, pynative.losses_without_objects, rtol=1e-4)
    # Gradients of what a batch norm rescales nearly cancel: their rounding is that of the terms, so of the whole.
    whole = np.sqrt(sum((gradient**2).sum() for gradient in pynative.gradients.values()))
    for name, gradient in graph.gradients.items():
        other = pynative.gradients[name]
        assert np.linalg.norm(gradient - other) <= 1e-4 * np.linalg.norm(other) + 1e-6 * whole, name
    for name, value in graph.after_step.items():
        np.testing.assert_allclose(value, pynative.after_step[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_modes_predict_alike(graph: Run, pynative: Run) -> None:
    compare_detections(graph.detections, pynative.detections)


def compare_detections(ours: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    boxes, scores, labels, valid, *masks = ours
    np.testing.assert_allclose(boxes, wanted[0], atol=1e-2)
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(labels, wanted[2])
    np.testing.assert_array_equal(valid, wanted[3])
    for mask, other in zip(masks, wanted[4:], strict=True):
        np.testing.assert_allclose(mask[valid], other[wanted[3]], rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------------------------------------------------- training


def test_losses_are_finite_and_positive(either: Run) -> None:
    assert len(either.losses) == len(NAMES)
    assert np.isfinite(either.losses).all()
    assert min(either.losses) > 0


def test_without_objects_only_the_classifiers_learn(either: Run) -> None:
    losses = dict(zip(NAMES, either.losses_without_objects, strict=True))
    assert np.isfinite(list(losses.values())).all()
    assert (losses["loss_rpn_box"], losses["loss_box_reg"], losses["loss_mask"]) == (0.0, 0.0, 0.0)
    assert losses["loss_rpn_cls"] > 0
    assert losses["loss_cls"] > 0
    for name, gradient in either.gradients_without_objects.items():
        assert np.isfinite(gradient).all(), name
        if name.startswith(("rpn.head.deltas", "box.head.deltas", "mask.")):
            assert not gradient.any(), name


def test_every_trainable_parameter_gets_a_gradient(either: Run) -> None:
    assert len(either.gradients) == sum(not name.endswith(MOVING) for name in either.before)
    for name, gradient in either.gradients.items():
        assert np.isfinite(gradient).all(), name
        assert gradient.any(), name


def stem_outputs(before: Arrays) -> np.ndarray:
    """Outputs (16, pixels) of the first convolution, 3x3, stride 2, one pixel of padding at the end, on the batch."""
    batch = make_batch()
    mean, std = (np.array(v).reshape(3, 1, 1) for v in (FEW_LAYERS.pixel.mean, FEW_LAYERS.pixel.std))
    columns = []
    for image, (height, width) in zip(batch["images"], batch["image_sizes"], strict=True):
        pixels = np.zeros((3, HEIGHT + 1, WIDTH + 1))
        pixels[:, :height, :width] = ((image - mean) / std)[:, :height, :width]
        for row, column in np.ndindex(HEIGHT // 2, WIDTH // 2):
            window = pixels[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            columns.append(window.reshape(-1))
    kernels = before["backbone.stem.conv.weight"].reshape(16, -1)
    return kernels @ np.array(columns).T


def test_batch_norm_moves_its_statistics_once_a_step(either: Run) -> None:
    outputs = stem_outputs(either.before)
    for name, batch_value in (("moving_mean", outputs.mean(axis=1)), ("moving_variance", outputs.var(axis=1, ddof=1))):
        name = f"backbone.stem.norm.{name}"
        wanted = BATCH_NORM_MOMENTUM * either.before[name] + (1 - BATCH_NORM_MOMENTUM) * batch_value
        np.testing.assert_allclose(either.after_step[name], wanted, rtol=1e-4, atol=1e-5)
    statistics = [name for name in either.before if name.endswith(MOVING)]
    assert len(statistics) == 2 * 9
    for name in statistics:
        assert not np.array_equal(either.after_step[name], either.before[name]), name


def test_the_step_changes_nothing_but_statistics(either: Run) -> None:
    for name, value in either.before.items():
        if not name.endswith(MOVING):
            np.testing.assert_array_equal(either.after_step[name], value, err_msg=name)


@pytest.mark.parametrize(
    ("norm", "frozen_stages", "frozen_parts"),
    [("frozen", 2, ("stem.", "stage2.", ".norm.")), ("batch", 3, ("stem.", "stage2.", "stage3."))],
    ids=["frozen norm", "batch norm"],
)
def test_frozen_parameters_and_no_others_stay(norm: Norm, frozen_stages: int, frozen_parts: tuple[str, ...]) -> None:
    backbone = replace(FEW_LAYERS.backbone, norm=norm, frozen_stages=frozen_stages)
    detector = make_detector(replace(FEW_LAYERS, backbone=backbone))
    before = values(detector)
    optimizer = nn.SGD(detector.trainable_params(), 0.5, momentum=0.9, weight_decay=0.1)
    _, gradients = LossesAndGradients(detector=detector).set_train()(*inputs(detector, make_batch()))
    optimizer(gradients)
    after = values(detector)
    same = {name for name in before if np.array_equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith("backbone.") and any(part in name for part in frozen_parts)}
    assert same == frozen
    assert 10 < len(frozen) < len(before) - 40


# ----------------------------------------------------------------------------------------------------------- prediction


def test_prediction_changes_no_parameter(either: Run) -> None:
    for name, value in either.before.items():
        np.testing.assert_array_equal(either.after_prediction[name], value, err_msg=name)


def test_detections_are_in_order_and_inside_the_image(pynative: Run) -> None:
    boxes, scores, labels, valid, masks, mask_scores = pynative.detections
    assert [o.shape for o in pynative.detections] == [(2, 12, 4), (2, 12), (2, 12), (2, 12), (2, 12, 8, 8), (2, 12)]
    assert [o.dtype for o in (boxes, scores, labels, valid)] == [np.float32, np.float32, np.int32, np.bool_]
    assert valid.sum() > 12
    assert (np.diff(scores, axis=1) <= 0).all()
    assert len(np.unique(scores[valid])) == valid.sum()
    assert set(labels[valid].tolist()) <= {1, 2, 3}
    assert boxes.min() >= 0
    assert boxes[1, :, [0, 2]].max() <= 76
    assert boxes[1, :, [1, 3]].max() <= 50
    assert masks.min() >= 0
    assert masks.max() <= 1
    np.testing.assert_array_equal(mask_scores, scores)


def test_batch_of_two_is_two_batches_of_one(detector: TwoStageDetector, pynative: Run) -> None:
    images, image_sizes = inputs(detector, make_batch())[:2]
    predictor = Predictor(detector=detector).set_train(False)
    for image in range(BATCH):
        one = [output.asnumpy() for output in predictor(images[image : image + 1], image_sizes[image : image + 1])]
        compare_detections(one, [output[image : image + 1] for output in pynative.detections])


def test_faster_rcnn_is_the_same_without_masks(pynative: Run) -> None:
    detector = make_detector(replace(FEW_LAYERS, mask=None))
    batch = inputs(detector, make_batch())
    for name, parameter in detector.parameters_dict().items():
        parameter.set_data(Tensor(pynative.before[name]))
    outputs = Predictor(detector=detector).set_train(False)(*batch[:2])
    compare_detections([output.asnumpy() for output in outputs], pynative.detections[:4])
    losses = TrainingLosses(detector=detector).set_train()(*batch)
    assert detector.loss_names == NAMES[:4]
    np.testing.assert_allclose([float(loss) for loss in losses], pynative.losses[:4], rtol=1e-4)


# ----------------------------------------------------------------------------------------------------------------- rest


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 160)])  # P5 is 2x3 and 3x5: P6 rounds up
def test_noise_shapes_are_what_the_losses_consume(detector: TwoStageDetector, height: int, width: int) -> None:
    detector.set_train(False)
    images = Tensor(np.zeros((BATCH, 3, height, width), np.uint8))
    sizes = Tensor(np.array([[height, width]] * BATCH, np.int32))
    features = detector.features(images, sizes)
    anchors = sum(level.shape[0] for level in detector.rpn.anchors(features))
    rpn_shape, roi_shape = detector.noise_shapes(BATCH, height, width, SLOTS)
    assert rpn_shape == (BATCH, anchors)
    no_objects = (
        np.zeros((BATCH, SLOTS, 4), np.float32),
        np.zeros((BATCH, SLOTS), bool),
        np.zeros((BATCH, SLOTS), bool),
    )
    noise = Tensor(np.random.default_rng(0).random(rpn_shape).astype(np.float32))
    _, boxes, _ = detector.rpn.losses_and_proposals(features, sizes, *(Tensor(a) for a in no_objects), noise)
    assert roi_shape == (BATCH, boxes.shape[1] + SLOTS)


def test_loss_names(detector: TwoStageDetector) -> None:
    assert detector.loss_names == NAMES


def test_mask_branch_reads_as_many_slots_as_the_sampler_fills(detector: TwoStageDetector) -> None:
    assert detector.mask.max_positives == detector.roi_sampler.max_positives == 4
