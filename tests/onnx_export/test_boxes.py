"""Anchors, suppression and pooling against the functions that they follow."""

from typing import Any

import numpy as np
import pytest
from mindspore import Tensor

from mindrcnn.models.layers import RoiPooler
from mindrcnn.models.rpn import AnchorGenerator, grid_anchors
from mindrcnn.onnx_export.backbones import Pyramid
from mindrcnn.onnx_export.boxes import apart_by_label, clip, decode, longer_than, nms
from mindrcnn.onnx_export.pooling import pool_by_level, pool_on_all_levels
from mindrcnn.onnx_export.proposals import add_anchors
from mindrcnn.ops import boxes as box_ops
from mindrcnn.ops import coder
from mindrcnn.ops import nms as nms_ops

RNG = np.random.default_rng(4)


def random_boxes(*shape: int, side: float = 60.0) -> np.ndarray:
    low = RNG.uniform(0, 40, (*shape, 2))
    return np.concatenate((low, low + RNG.uniform(1, side, (*shape, 2))), axis=-1).astype(np.float32)


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_anchors_of_odd_sides(run_part: Any, rounded: bool, known: bool) -> None:
    ratios, sizes = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0, 64.0, 129.0)
    cell = AnchorGenerator(sizes=sizes, aspect_ratios=ratios, rounded=rounded)

    def build(graph: Any, feature: str) -> str:
        height, width = (5, 3) if known else (graph.size_of(feature, 0), graph.size_of(feature, 1))
        return add_anchors(graph, cell, 4, height, width)

    (found,) = run_part(build, np.zeros((5, 3), np.float32))
    np.testing.assert_array_equal(found, grid_anchors(((5, 3),), (64,), sizes[4:], ratios, rounded))


def test_decoding_clipping_and_least_size(run_part: Any) -> None:
    deltas = RNG.normal(size=(2, 9, 4), scale=2.0).astype(np.float32)
    deltas[0, 0, 2:] = 50.0  # beyond the cap
    references, sizes = random_boxes(2, 9), np.array([[30, 90], [70, 20]], np.int32)
    weights = (10.0, 10.0, 5.0, 5.0)

    def build(graph: Any, delta: str, reference: str, size: str) -> tuple[str, ...]:
        decoded = decode(graph, delta, reference, weights)
        clipped = clip(graph, decoded, size)
        return decoded, clipped, longer_than(graph, clipped, 4.0)

    decoded, clipped, long = run_part(build, deltas, references, sizes)
    wanted = coder.decode(Tensor(deltas), Tensor(references), weights)
    wanted_clipped = box_ops.clip(wanted, Tensor(sizes))
    np.testing.assert_allclose(decoded, wanted.asnumpy(), rtol=2e-6, atol=1e-4)
    np.testing.assert_allclose(clipped, wanted_clipped.asnumpy(), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(long, box_ops.valid_size(wanted_clipped, 4.0).asnumpy())
    assert 0 < long.sum() < long.size


def test_suppression(run_part: Any) -> None:
    boxes = random_boxes(3, 40)
    scores = -np.sort(-RNG.uniform(0, 1, (3, 40))).astype(np.float32)
    scores[0, 10:20] = scores[0, 10]  # ties keep the order of the boxes
    scores[1, 0] = np.inf
    scores[1, 30] = np.nan
    valid = RNG.uniform(size=(3, 40)) < 0.8
    valid[2] = False
    boxes[0, 3] = np.nan
    valid[0, 3] = False

    def build(graph: Any, box: str, score: str, is_valid: str) -> str:
        return nms(graph, box, score, is_valid, graph.size_of(box, 1), 0.4)

    (keep,) = run_part(build, boxes, scores, valid)
    wanted = nms_ops.nms(Tensor(boxes), Tensor(scores), Tensor(valid), 0.4).asnumpy()
    np.testing.assert_array_equal(keep, wanted)
    assert 0 < keep[0].sum() < valid[0].sum()
    assert not keep[2].any()


def test_suppression_by_label(run_part: Any) -> None:
    boxes = random_boxes(2, 40)
    scores = -np.sort(-RNG.uniform(0, 1, (2, 40))).astype(np.float32)
    labels = RNG.integers(1, 6, (2, 40))
    valid = RNG.uniform(size=(2, 40)) < 0.8

    def build(graph: Any, box: str, score: str, label: str, is_valid: str) -> str:
        apart = apart_by_label(graph, box, label, is_valid)
        return nms(graph, apart, score, is_valid, graph.size_of(box, 1), 0.3)

    (keep,) = run_part(build, boxes, scores, labels, valid)
    wanted = nms_ops.nms_per_class(
        Tensor(boxes), Tensor(scores), Tensor(labels.astype(np.int32)), Tensor(valid), 0.3
    ).asnumpy()
    np.testing.assert_array_equal(keep, wanted)
    assert 0 < keep.sum() < valid.sum()


@pytest.mark.parametrize("pool", [pool_by_level, pool_on_all_levels])
@pytest.mark.parametrize(("aligned", "ratio"), [(True, 0), (True, 2), (False, 0), (False, 2)])
def test_pooling(run_part: Any, pool: Any, aligned: bool, ratio: int) -> None:
    sides = ((128, 160), (64, 80), (32, 40), (16, 20))
    maps = [RNG.normal(size=(2, 3, *side)).astype(np.float32) for side in sides]
    boxes = random_boxes(2, 12)
    boxes[0, 0] = [10, 20, 500, 510]  # from P5
    boxes[0, 1] = [100, 100, 260, 300]  # from P3; none is from P4
    boxes[0, 2] = [50, 60, 50, 60]  # a point
    boxes[1, 0] = np.nan
    valid = np.ones((2, 12), bool)
    valid[1, 0] = False
    cell = RoiPooler(resolution=3, sampling_ratio=ratio, aligned=aligned)

    def build(graph: Any, box: str, is_valid: str, *names: str) -> str:
        pyramid = Pyramid((*names, names[-1]), sides, graph.size_of(box, 0))
        return pool(graph, cell, pyramid, box, is_valid, graph.size_of(box, 1))

    (found,) = run_part(build, boxes, valid, *maps)
    wanted = cell(tuple(Tensor(one) for one in (*maps, maps[-1])), Tensor(boxes), Tensor(valid)).asnumpy()
    used = valid.reshape(-1)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[used], wanted[used], rtol=0, atol=1e-5)
