"""Box deltas: written rows, round trips, limits, gradient."""

import math

import numpy as np
from mindspore import Tensor

from mindrcnn.ops.coder import MAX_LOG_SCALE, decode, encode

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)

# reference, box, deltas with weights 1
ROWS = [
    ((0, 0, 10, 20), (0, 0, 10, 20), (0, 0, 0, 0)),
    ((0, 0, 10, 20), (5, -10, 15, 10), (0.5, -0.5, 0, 0)),
    ((0, 0, 10, 20), (-5, 5, 15, 15), (0, 0, math.log(2), -math.log(2))),
    ((100, 50, 140, 60), (90, 50, 110, 90), (-0.5, 1.5, -math.log(2), math.log(4))),
]


def encode_one(box: np.ndarray, reference: np.ndarray, weights: tuple[float, ...]) -> list[float]:
    width, height = reference[2] - reference[0], reference[3] - reference[1]
    dx = ((box[0] + box[2]) / 2 - (reference[0] + reference[2]) / 2) / width
    dy = ((box[1] + box[3]) / 2 - (reference[1] + reference[3]) / 2) / height
    dw, dh = math.log((box[2] - box[0]) / width), math.log((box[3] - box[1]) / height)
    return [weights[0] * dx, weights[1] * dy, weights[2] * dw, weights[3] * dh]


def decode_one(delta: np.ndarray, reference: np.ndarray, weights: tuple[float, ...]) -> list[float]:
    width, height = reference[2] - reference[0], reference[3] - reference[1]
    x = (reference[0] + reference[2]) / 2 + delta[0] / weights[0] * width
    y = (reference[1] + reference[3]) / 2 + delta[1] / weights[1] * height
    width *= math.exp(min(delta[2] / weights[2], math.log(1000 / 16)))
    height *= math.exp(min(delta[3] / weights[3], math.log(1000 / 16)))
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def decode_all(deltas: np.ndarray, references: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    return np.array([decode_one(d, r, weights) for d, r in zip(deltas, references, strict=True)])


def both(boxes: Tensor, references: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    deltas = encode(boxes, references, BOX_WEIGHTS)
    return encode(boxes, references, RPN_WEIGHTS), deltas, decode(deltas, references, BOX_WEIGHTS)


def decode_boxes(deltas: Tensor, references: Tensor) -> Tensor:
    return decode(deltas, references, BOX_WEIGHTS)


def test_written_rows(run) -> None:
    references, boxes, deltas = (np.array([row[i] for row in ROWS], np.float32) for i in (0, 1, 2))
    plain, weighted, decoded = run(both, boxes, references)
    np.testing.assert_allclose(plain, deltas, atol=1e-6)
    np.testing.assert_allclose(weighted, deltas * np.array(BOX_WEIGHTS), atol=1e-5)
    np.testing.assert_allclose(decoded, boxes, atol=1e-4)


def test_random_boxes_against_single_ones_and_back(run) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 500, (2, 2, 20, 2))
    boxes, references = np.concatenate([low, low + rng.uniform(8, 300, (2, 2, 20, 2))], -1).astype(np.float32)
    plain, weighted, decoded = run(both, boxes, references)
    assert decoded.shape == boxes.shape
    for index in np.ndindex(2, 20):
        np.testing.assert_allclose(plain[index], encode_one(boxes[index], references[index], RPN_WEIGHTS), atol=1e-4)
        np.testing.assert_allclose(weighted[index], encode_one(boxes[index], references[index], BOX_WEIGHTS), atol=1e-3)
    np.testing.assert_allclose(decoded, boxes, atol=2e-3)


def test_decode_limits_growth_alone(run) -> None:
    references = np.array([[0, 0, 16, 16]] * 3, np.float32)
    deltas = np.array([[0, 0, 1e4, 1e4], [0, 0, -1e4, -1e4], [1e4, -1e4, 0, 0]], np.float32)
    decoded = run(decode_boxes, deltas, references)
    np.testing.assert_allclose(decoded, decode_all(deltas, references, BOX_WEIGHTS), rtol=1e-5)
    assert abs(decoded[0, 2] - decoded[0, 0] - 1000) < 0.01  # 16 pixels grow to 1000, no further
    np.testing.assert_array_equal(decoded[1], [8, 8, 8, 8])
    assert abs(MAX_LOG_SCALE - 4.135166556742356) < 1e-12


def test_boxes_without_area_stay_finite(run) -> None:
    empty = np.array([[0, 0, 0, 0], [5, 5, 5, 9], [0, 0, 10, 10]], np.float32)
    references = np.array([[0, 0, 10, 10], [0, 0, 0, 0], [7, 7, 7, 7]], np.float32)
    for result in run(both, empty, references):
        assert np.isfinite(result).all()


def test_the_shortest_side_that_is_not_lengthened(run) -> None:
    references = np.array([[0, 0, 1, 1]] * 2, np.float32)
    boxes = np.array([[0, 0, 0.00125, 0.00125], [0, 0, 0.00075, 0.00075]], np.float32)
    plain, _, _ = run(both, boxes, references)
    np.testing.assert_allclose(plain[:, 2:], np.log([[0.00125] * 2, [0.001] * 2]), rtol=1e-5)


def test_decode_gradient(gradients, numeric_gradient) -> None:
    rng = np.random.default_rng(1)
    deltas = rng.normal(0, 1, (3, 4)).astype(np.float32)
    deltas[2, 3] = 30  # beyond the limit: gradient 0
    low = rng.uniform(0, 20, (3, 2))
    references = np.concatenate([low, low + rng.uniform(1, 20, (3, 2))], -1).astype(np.float32)
    sens = rng.normal(size=(3, 4)).astype(np.float32)
    expected = numeric_gradient(lambda d: decode_all(d, references, BOX_WEIGHTS), sens, deltas, 1e-4)
    assert expected[2, 3] == 0
    np.testing.assert_allclose(gradients(decode_boxes, sens, deltas, references)[0], expected, rtol=1e-4, atol=1e-4)
