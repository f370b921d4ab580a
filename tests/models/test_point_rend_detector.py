"""A whole small detector with PointRend: a training step and a prediction, compiled, eager and by boolean selection."""

from dataclasses import dataclass, replace

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.build import build_detector
from mindrcnn.config_model import (
    AnchorConfig,
    BackboneConfig,
    BoxConfig,
    FPNConfig,
    ModelConfig,
    PointRendConfig,
    RoiSamplingConfig,
    RPNConfig,
    TrainTestPair,
)
from mindrcnn.models.detector import Predictor, TrainingLosses, TwoStageDetector
from mindrcnn.parity.training import LossesAndGradients

CLASSES, BATCH, HEIGHT, WIDTH, SLOTS, STORED = 3, 2, 64, 96, 3, 16
MASK = PointRendConfig(
    resolution=6, fc_channels=16, point_layers=2, point_channels=12, train_points=9, subdivision_steps=3,
    subdivision_points=40,
)  # fmt: skip
MODEL = ModelConfig(
    backbone=BackboneConfig(name="mobilenet_v1", norm="frozen", frozen_stages=0),
    fpn=FPNConfig(out_channels=16),
    anchors=AnchorConfig(sizes=(8.0, 16.0, 32.0, 64.0, 128.0)),
    rpn=RPNConfig(
        pre_nms_topk=TrainTestPair(train=30, test=20),
        post_nms_topk=TrainTestPair(train=40, test=25),
        batch_size_per_image=64,
    ),
    roi_sampling=RoiSamplingConfig(batch_size_per_image=16),
    box=BoxConfig(resolution=3, fc_channels=32, score_thresh=0.6, detections_per_image=12, train_on_pred_boxes=True),
    mask=MASK,
)
Arrays = dict[str, np.ndarray]


def make_detector(model: ModelConfig = MODEL) -> TwoStageDetector:
    """The same parameters each time; output layers wide enough that no two scores nearly tie."""
    ms.set_seed(1)
    rng = np.random.default_rng(1)
    detector = build_detector(model, CLASSES)
    for name, parameter in detector.parameters_dict().items():
        if name.startswith(("rpn.head", "box.head", "mask.")) and name.endswith("weight"):
            scale = np.sqrt(2 / np.prod(parameter.shape[1:]))
            parameter.set_data(Tensor((rng.normal(size=parameter.shape) * scale).astype(np.float32)))
    return detector


def make_batch() -> Arrays:
    """Image 0 has two objects, image 1 one and a crowd."""
    rng = np.random.default_rng(0)
    gt_boxes = np.zeros((BATCH, SLOTS, 4), np.float32)
    gt_boxes[0, :2] = [[16, 2, 80, 62], [5, 30, 25, 52]]
    gt_boxes[1, :2] = [[10, 10, 44, 40], [40, 5, 70, 45]]
    gt_labels = np.array([[1, 3, 0], [2, 0, 0]], np.int32)
    return {
        "images": rng.integers(0, 256, (BATCH, 3, HEIGHT, WIDTH)).astype(np.uint8),
        "image_sizes": np.array([[HEIGHT, WIDTH], [50, 76]], np.int32),
        "gt_boxes": gt_boxes,
        "gt_labels": gt_labels,
        "gt_valid": gt_labels > 0,
        "gt_crowd": np.array([[False] * 3, [False, True, False]]),
        "gt_masks": rng.integers(0, 2, (BATCH, SLOTS, STORED, STORED)).astype(np.uint8),
    }


def inputs(detector: TwoStageDetector, batch: Arrays) -> tuple[Tensor, ...]:
    rng = np.random.default_rng(3)
    shapes = detector.noise_shapes(BATCH, HEIGHT, WIDTH, SLOTS)
    return tuple(Tensor(a) for a in batch.values()) + tuple(Tensor(rng.random(s).astype(np.float32)) for s in shapes)


@dataclass
class Run:
    """What one way of running computes: a training step on the batch, one without objects, and a prediction."""

    losses: list[float]
    gradients: Arrays
    losses_without_objects: list[float]
    gradients_without_objects: Arrays
    detections: list[np.ndarray]


def run_everything(mode: int, *, dynamic: bool = False) -> Run:
    ms.set_context(mode=mode)
    detector = make_detector(replace(MODEL, mask=replace(MASK, dynamic=dynamic)))
    names = [parameter.name for parameter in detector.trainable_params()]
    detections = Predictor(detector=detector).set_train(False)(*inputs(detector, make_batch())[:2])
    step = LossesAndGradients(detector=detector).set_train()
    losses, gradients = step(*inputs(detector, make_batch()))
    empty = make_batch()
    for name in ("gt_boxes", "gt_labels", "gt_valid", "gt_crowd", "gt_masks"):
        empty[name][:] = 0
    empty_losses, empty_gradients = step(*inputs(detector, empty))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return Run(
        [float(loss) for loss in losses],
        {name: gradient.asnumpy() for name, gradient in zip(names, gradients, strict=True)},
        [float(loss) for loss in empty_losses],
        {name: gradient.asnumpy() for name, gradient in zip(names, empty_gradients, strict=True)},
        [output.asnumpy() for output in detections],
    )


@pytest.fixture(scope="module")
def graph() -> Run:
    return run_everything(ms.GRAPH_MODE)


@pytest.fixture(scope="module", params=["eager", "boolean selection"])
def pynative(request: pytest.FixtureRequest) -> Run:
    return run_everything(ms.PYNATIVE_MODE, dynamic=request.param == "boolean selection")


def test_training_is_the_same(graph: Run, pynative: Run) -> None:
    np.testing.assert_allclose(graph.losses, pynative.losses, rtol=1e-4)
    np.testing.assert_allclose(graph.losses_without_objects, pynative.losses_without_objects, rtol=1e-4)
    whole = np.sqrt(sum((gradient**2).sum() for gradient in pynative.gradients.values()))
    for name, gradient in graph.gradients.items():
        other = pynative.gradients[name]
        assert np.linalg.norm(gradient - other) <= 1e-4 * np.linalg.norm(other) + 1e-6 * whole, name


def test_predictions_are_the_same(graph: Run, pynative: Run) -> None:
    for output, other, tolerance in zip(
        graph.detections, pynative.detections, (1e-2, 1e-4, 0, 0, 1e-3, 1e-4), strict=True
    ):
        np.testing.assert_allclose(output, other, atol=tolerance)


def test_shapes_and_unused_slots(graph: Run) -> None:
    _, scores, _, valid, masks, mask_scores = graph.detections
    assert masks.shape == (BATCH, 12, 24, 24)  # 3, doubled three times
    assert 0 < valid.sum() < valid.size
    assert not masks[~valid].any()
    assert np.ptp(masks[valid], axis=(1, 2)).min() > 0
    np.testing.assert_array_equal(mask_scores, scores)


def test_every_trainable_parameter_gets_a_gradient(graph: Run) -> None:
    assert np.isfinite(graph.losses).all()
    assert min(graph.losses) > 0
    for name, gradient in graph.gradients.items():
        assert np.isfinite(gradient).all(), name
        assert gradient.any(), name


def test_without_objects_the_mask_branch_learns_nothing(graph: Run) -> None:
    assert graph.losses_without_objects[-2:] == [0, 0]
    for name, gradient in graph.gradients_without_objects.items():
        assert np.isfinite(gradient).all(), name
        if name.startswith("mask."):
            assert not gradient.any(), name


def test_the_mask_branch_trains_on_predicted_boxes() -> None:
    """Only then do its losses depend on the deltas; and no gradient reaches them."""
    changed = {}
    for on_predicted in (True, False):
        detector = make_detector(replace(MODEL, box=replace(MODEL.box, train_on_pred_boxes=on_predicted)))
        batch = inputs(detector, make_batch())
        before = TrainingLosses(detector=detector)(*batch)
        bias = detector.parameters_dict()["box.head.deltas.bias"]
        bias.set_data(bias + 1.0)
        after = TrainingLosses(detector=detector)(*batch)
        changed[on_predicted] = [float(a) != float(b) for a, b in zip(before, after, strict=True)]
    assert detector.loss_names[-2:] == ("loss_mask", "loss_mask_point")
    assert changed[True][-2:] == [True, True]
    assert changed[False][-2:] == [False, False]
