"""A small complete detector with PointRend: training step and prediction, compiled, eager and by boolean selection."""

from dataclasses import dataclass, replace

import mindspore as ms
import numpy as np
import pytest
from parity.training import LossesAndGradients
from small_detector import BATCH, FEW_LAYERS, Arrays, inputs, make_batch, make_detector, without_objects

from mindrcnn.config.model import PointRendConfig
from mindrcnn.models.detector import Predictor, TrainingLosses

STORED = 16
WIDENED = ("rpn.head", "box.head", "mask.")
MASK = PointRendConfig(
    resolution=6, fc_channels=16, point_layers=2, point_channels=12, train_points=9, subdivision_steps=3,
    subdivision_points=40,
)  # fmt: skip
POINT_REND = replace(
    FEW_LAYERS,
    backbone=replace(FEW_LAYERS.backbone, norm="frozen"),
    box=replace(FEW_LAYERS.box, score_thresh=0.6, train_on_pred_boxes=True),
    mask=MASK,
)


@dataclass
class Run:
    """Results of one way of running: a training step on the batch, one without objects, and a prediction."""

    losses: list[float]
    gradients: Arrays
    losses_without_objects: list[float]
    gradients_without_objects: Arrays
    detections: list[np.ndarray]


def run_everything(mode: int, *, dynamic: bool = False) -> Run:
    ms.set_context(mode=mode)
    detector = make_detector(replace(POINT_REND, mask=replace(MASK, dynamic=dynamic)), widened=WIDENED)
    names = [parameter.name for parameter in detector.trainable_params()]
    detections = Predictor(detector=detector).set_train(False)(*inputs(detector, make_batch(STORED))[:2])
    step = LossesAndGradients(detector=detector).set_train()
    losses, gradients = step(*inputs(detector, make_batch(STORED)))
    empty_losses, empty_gradients = step(*inputs(detector, without_objects(make_batch(STORED))))
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
    """Its losses depend on the deltas only with this setting, and no gradient reaches the deltas."""
    changed = {}
    for on_predicted in (True, False):
        detector = make_detector(
            replace(POINT_REND, box=replace(POINT_REND.box, train_on_pred_boxes=on_predicted)), widened=WIDENED
        )
        batch = inputs(detector, make_batch(STORED))
        before = TrainingLosses(detector=detector)(*batch)
        bias = detector.parameters_dict()["box.head.deltas.bias"]
        bias.set_data(bias + 1.0)
        after = TrainingLosses(detector=detector)(*batch)
        changed[on_predicted] = [float(a) != float(b) for a, b in zip(before, after, strict=True)]
    assert detector.loss_names[-2:] == ("loss_mask", "loss_mask_point")
    assert changed[True][-2:] == [True, True]
    assert changed[False][-2:] == [False, False]
