"""Loss terms against float64 numpy, their gradients by differences, and huge inputs."""

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.ops.losses import bce_with_logits, giou_loss, smooth_l1, softmax_cross_entropy

HUGE = 1e4


def smooth_l1_loop(pred: np.ndarray, target: np.ndarray, beta: float) -> np.ndarray:
    result = np.zeros(pred.shape)
    for index in np.ndindex(*pred.shape):
        d = abs(float(pred[index]) - float(target[index]))
        result[index] = 0.5 * d * d / beta if d < beta else d - 0.5 * beta
    return result


def bce_loop(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    result = np.zeros(logits.shape)
    for index in np.ndindex(*logits.shape):
        x, t = float(logits[index]), float(target[index])
        result[index] = t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)
    return result


def cross_entropy_loop(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.array(
        [np.logaddexp.reduce(row) - row[label] for row, label in zip(logits.astype(np.float64), labels, strict=True)]
    )


def l1(pred: Tensor, target: Tensor) -> Tensor:
    return smooth_l1(pred, target, 0.0)


def smooth_ninth(pred: Tensor, target: Tensor) -> Tensor:
    return smooth_l1(pred, target, 1.0 / 9)


def smooth_one(pred: Tensor, target: Tensor) -> Tensor:
    return smooth_l1(pred, target, 1.0)


@pytest.mark.parametrize(("function", "beta"), [(l1, 0.0), (smooth_ninth, 1.0 / 9), (smooth_one, 1.0)])
def test_smooth_l1(run, gradients, numeric_gradient, function, beta) -> None:
    pred = np.array([[0.05, -0.05, 0.5, -0.6], [0.9, 1.5, -3.0, 7.0], [HUGE, -HUGE, 0.01, -0.02]], np.float32)
    target = np.array([[0, 0, 0, 0], [0, 0, 0, 5], [-HUGE, HUGE, 0, 0]], np.float32)
    np.testing.assert_allclose(run(function, pred, target), smooth_l1_loop(pred, target, beta), rtol=1e-6)
    sens = np.random.default_rng(0).normal(size=pred.shape).astype(np.float32)
    expected = numeric_gradient(lambda p: smooth_l1_loop(p, target, beta), sens, pred, 1e-4)
    np.testing.assert_allclose(gradients(function, sens, pred, target)[0], expected, rtol=1e-3, atol=1e-4)


def test_bce_with_logits(run, gradients, numeric_gradient) -> None:
    logits = np.array([[0.0, 0.0, 0.0, 1.5], [-2.5, 30.0, -30.0, 0.3], [HUGE, -HUGE, HUGE, -HUGE]], np.float32)
    target = np.array([[0, 1, 0.25, 1], [1, 0, 1, 0.5], [0, 1, 1, 0]], np.float32)
    np.testing.assert_allclose(run(bce_with_logits, logits, target), bce_loop(logits, target), rtol=1e-6)
    sens = np.random.default_rng(0).normal(size=logits.shape).astype(np.float32)
    expected = numeric_gradient(lambda x: bce_loop(x, target), sens, logits, 1e-4)
    np.testing.assert_allclose(gradients(bce_with_logits, sens, logits, target)[0], expected, rtol=1e-4, atol=1e-6)


def test_softmax_cross_entropy(run, gradients, numeric_gradient) -> None:
    logits = np.random.default_rng(0).normal(0, 3, (5, 4)).astype(np.float32)
    logits[3] = (HUGE, -HUGE, 0, HUGE)
    logits[4] = (-HUGE, HUGE, HUGE, -HUGE)
    labels = np.array([0, 3, 2, 1, 1], np.int32)
    np.testing.assert_allclose(
        run(softmax_cross_entropy, logits, labels), cross_entropy_loop(logits, labels), rtol=1e-5, atol=1e-6
    )
    sens = np.random.default_rng(1).normal(size=5).astype(np.float32)
    expected = numeric_gradient(lambda x: cross_entropy_loop(x, labels), sens, logits, 1e-4)
    result, _ = gradients(softmax_cross_entropy, sens, logits, labels)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-5)


def test_giou_loss_of_equal_overlapping_and_distant_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 2, 4], [5, 7, 9, 8]], np.float32)
    targets = np.array([[0, 0, 10, 10], [1, 1, 4, 5], [1, 2, 4, 4]], np.float32)
    wanted = [0, 1 - 3 / 17 + 3 / 20, 1 + 38 / 48]
    np.testing.assert_allclose(giou_loss(Tensor(boxes), Tensor(targets)).asnumpy(), wanted, atol=1e-6)
    np.testing.assert_allclose(giou_loss(Tensor(targets), Tensor(boxes)).asnumpy(), wanted, atol=1e-6)
