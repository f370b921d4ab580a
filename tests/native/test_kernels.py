"""Properties of all kernels: results do not depend on the number of threads, wrong arguments are rejected, and empty
rows and images work.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from mindrcnn.native.build import build

Arrays = list[np.ndarray]
RESOLUTION, CHANNELS, IMAGES, SLOTS = 5, 7, 3, 40
CONV_SHAPES = ((IMAGES, 32, 45, 50), (IMAGES, 64, 45, 50), (64, 32, 3, 3))  # x, y, weight
ROI_SETTINGS = [RESOLUTION, 2, 1, 4, 8, 16, 32, 112.0**2, 224.0**2, 448.0**2]


def random_boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    corner, side = rng.uniform(-50, 600, (*shape, 2)), np.exp(rng.uniform(1, 7, (*shape, 2)))
    return np.concatenate([corner, corner + side], -1).astype(np.float32)


def features(rng: np.random.Generator) -> Arrays:
    shapes = [(IMAGES, CHANNELS, 480 // stride, 640 // stride) for stride in (4, 8, 16, 32)]
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@cache
def cases() -> dict[str, tuple[Arrays, Arrays]]:
    """Inputs and outputs of each kernel, for reading; outputs are filled with values that no kernel writes."""
    rng = np.random.default_rng(0)
    boxes, valid = random_boxes(rng, IMAGES, SLOTS), rng.random((IMAGES, SLOTS)) < 0.8
    scores = np.tile(np.linspace(1, 0, SLOTS, dtype=np.float32), (IMAGES, 1))
    labels = rng.integers(0, 3, (IMAGES, SLOTS)).astype(np.int32)
    settings, threshold = np.array(ROI_SETTINGS, np.float32), np.array([0.3], np.float32)
    pooled = rng.standard_normal((IMAGES * SLOTS, CHANNELS, RESOLUTION, RESOLUTION)).astype(np.float32)
    anchors, crowd = random_boxes(rng, 2000), rng.random((IMAGES, SLOTS)) < 0.1
    assign_settings = np.array([0.7, 0.3, 2, 0.0, 0.5], np.float32)

    def unwritten(*shape: int, dtype: type = np.float32) -> np.ndarray:
        return np.full(shape, 77, dtype)

    keep = np.full((IMAGES, SLOTS), 77, np.uint8).view(bool)
    p2, map_index = features(rng)[0], rng.integers(0, IMAGES, IMAGES * SLOTS).astype(np.int32)
    points = rng.uniform(-9, 130, (IMAGES * SLOTS, 300, 2)).astype(np.float32)
    samples = rng.standard_normal((IMAGES * SLOTS, 300, CHANNELS)).astype(np.float32)
    masks = rng.integers(0, 2, (IMAGES, SLOTS, 28, 28)).astype(np.uint8)
    x, y, weight = (rng.standard_normal(shape).astype(np.float32) for shape in CONV_SHAPES)
    scale = rng.uniform(0.5, 2, 64).astype(np.float32)
    even = x[:, :, 1:].copy()  # sides that can be halved
    bias, some, relu = np.zeros(64, np.float32), np.array([True, False, True]), np.array([1], np.float32)
    norm, even_gradient = np.array([1e-5, 0.1, 1, 6], np.float32), x[::-1].copy()
    own_weight, halving = weight[:32, :1].copy(), np.array([2, 0, 1, 0, 1], np.float32)
    halved = x[:, :, :22, :25].copy()  # of 45 x 50, with zeros behind it
    return {
        "depthwise_forward": ([x, own_weight, halving], [unwritten(*halved.shape)]),
        "depthwise_input_gradient": ([halved, own_weight, halving], [unwritten(*x.shape)]),
        "depthwise_weight_gradient": ([x, halved, halving], [unwritten(*own_weight.shape)]),
        "batch_norm_forward": (
            [x, scale[:32], bias[:32], bias[:32].copy(), scale[:32].copy(), norm],
            [unwritten(*x.shape), unwritten(32), unwritten(32)],
        ),
        "batch_norm_backward": (
            [x, even_gradient, scale[:32], bias[:32], bias[:32], scale[:32], norm],
            [unwritten(*x.shape), unwritten(32), unwritten(32)],
        ),
        "conv3x3_forward": ([x, weight, scale, bias, some, relu], [unwritten(*y.shape)]),
        "conv3x3_input_gradient": ([y, y, weight, scale, some, relu], [unwritten(*x.shape)]),
        "conv3x3_weight_gradient": ([x, y, y, scale, some, relu], [unwritten(*weight.shape), unwritten(64)]),
        "conv1x1_forward": ([x, weight[:, :, :1, :1].copy(), scale, bias, some, relu], [unwritten(*y.shape)]),
        "conv1x1_add_forward": (
            [x, weight[:, :, :1, :1].copy(), scale, bias, y, some, relu],
            [unwritten(*y.shape)],
        ),
        "conv1x1_input_gradient": ([y, y, weight[:, :, :1, :1].copy(), scale, some, relu], [unwritten(*x.shape)]),
        "conv1x1_weight_gradient": ([x, y, y, scale, some, relu], [unwritten(64, 32, 1, 1), unwritten(64)]),
        "stem_forward": (
            [x[:, :3, :44, :48].copy(), weight.reshape(-1)[: 64 * 147].reshape(64, 3, 7, 7).copy(), scale, bias],
            [unwritten(IMAGES, 64, 11, 12)],
        ),
        "add_upsampled": ([even, even[:, :, ::2, ::2].copy()], [unwritten(*even.shape)]),
        "sum_of_four": ([even], [unwritten(*even[:, :, ::2, ::2].shape)]),
        "every_second": ([x], [unwritten(*x[:, :, ::2, ::2].shape)]),
        "spread": ([x[:, :, ::2, ::2].copy()], [unwritten(*x.shape)]),
        "roi_align_forward": ([*features(rng), boxes, valid, settings], [unwritten(*pooled.shape)]),
        "roi_align_backward": ([pooled, boxes, valid, settings], [unwritten(*f.shape) for f in features(rng)]),
        "nms": ([boxes, scores, valid, threshold], [keep]),
        "nms_per_class": ([boxes, scores, labels, valid, threshold], [keep.copy()]),
        "assign": (
            [anchors, boxes, valid & ~crowd, crowd, assign_settings],
            [unwritten(IMAGES, 2000, dtype=np.int32), unwritten(IMAGES, 2000, dtype=np.int32)],
        ),
        "crop_masks": (
            [masks, boxes, labels, random_boxes(rng, IMAGES, SLOTS)],
            [unwritten(IMAGES, SLOTS, 9, 9)],
        ),
        "point_sample_forward": ([p2, map_index, points], [unwritten(*samples.shape)]),
        "point_sample_backward": ([samples, map_index, points], [unwritten(*p2.shape)]),
    }


NAMES = sorted(cases())


@pytest.mark.parametrize("name", NAMES)
def test_results_do_not_depend_on_threads(name: str, kernel: Callable, set_threads: Callable[[int], None]) -> None:
    inputs, outputs = cases()[name]
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        written = [output.copy() for output in outputs]
        assert kernel(name, *inputs, *written) == 0
        results.append(written)
    for result in results[1:]:
        for array, first in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(array, first)
    assert all((array.astype(np.float32) != 77).all() for array in results[0])
    assert all(len(np.unique(array)) > 1 for array in results[0])


def test_small_maps_do_not_depend_on_threads(kernel: Callable, set_threads: Callable[[int], None]) -> None:
    rng = np.random.default_rng(1)
    images, (_, _, weight) = 21, CONV_SHAPES
    x, weight = rng.standard_normal((images, 32, 9, 14)).astype(np.float32), rng.standard_normal(weight).astype("f4")
    ones, valid, relu = np.ones(64, np.float32), rng.random(images) < 0.9, np.zeros(1, np.float32)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(np.full((images, 64, 9, 14), 77, np.float32))
        assert kernel("conv3x3_forward", x, weight, ones, ones, valid, relu, results[-1]) == 0
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])
    assert (results[0] != 77).all()


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_are_refused(name: str, kernel: Callable) -> None:
    inputs, outputs = cases()[name]
    assert kernel(name, *inputs, *outputs, outputs[0]) == 1
    for index in range(len(inputs)):
        changed = [array.astype(np.float64) if place == index else array for place, array in enumerate(inputs)]
        assert kernel(name, *changed, *outputs) == 1, index
        changed[index] = inputs[index][..., None]
        assert kernel(name, *changed, *outputs) == 1, index
    longer = [*inputs[:-1], np.concatenate([inputs[-1], inputs[-1][:1]])]
    assert kernel(name, *longer, *outputs) == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_images(name: str, kernel: Callable) -> None:
    inputs, outputs = cases()[name]
    empty = [array[:0] if len(array) in (IMAGES, IMAGES * SLOTS) else array for array in (*inputs, *outputs)]
    assert kernel(name, *empty) == 0


@pytest.mark.parametrize("threads", ["1", "2"])
def test_want_of_memory_is_an_error(threads: str) -> None:
    """In a process of its own: an exception that left the kernels' threads would end it."""
    program = Path(__file__).with_name("starved_kernels.py")
    environment = os.environ | {"OMP_NUM_THREADS": threads, "LD_PRELOAD": ""}
    done = subprocess.run([sys.executable, program, build()], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "2\n-1\n"), done.stderr


def test_no_boxes(kernel: Callable) -> None:
    rng = np.random.default_rng(0)
    boxes, valid = np.zeros((2, 0, 4), np.float32), np.zeros((2, 0), bool)
    assert kernel("nms", boxes, valid.astype(np.float32), valid, np.array([0.5], np.float32), valid.copy()) == 0
    settings = np.array([0.7, 0.3, 1, 0, 0.5], np.float32)
    anchors = random_boxes(rng, 5)
    matched, state = np.full((2, 5), 7, np.int32), np.full((2, 5), 7, np.int32)
    assert kernel("assign", anchors, boxes, valid, valid, settings, matched, state) == 0  # no object slots
    np.testing.assert_array_equal(matched, 0)
    np.testing.assert_array_equal(state, 0)


def test_rows_of_points_in_no_map(kernel: Callable) -> None:
    maps, map_index = np.ones((2, 3, 4, 4), np.float32), np.array([-1, 2, 1, 2**31 - 1], np.int32)
    points = np.full((4, 5, 2), 2, np.float32)
    samples, gradient = np.full((4, 5, 3), 7, np.float32), np.full((2, 3, 4, 4), 7, np.float32)
    assert kernel("point_sample_forward", maps, map_index, points, samples) == 0
    np.testing.assert_array_equal(samples.sum(axis=(1, 2)), [0, 0, 15, 0])
    assert kernel("point_sample_backward", np.ones_like(samples), map_index, points, gradient) == 0
    np.testing.assert_array_equal(gradient.sum(axis=(1, 2, 3)), [0, 15])


def test_samples_of_no_object(kernel: Callable) -> None:
    boxes = np.tile(np.float32([0, 0, 8, 8]), (1, 4, 1))
    masks, matched = np.ones((1, 2, 8, 8), np.uint8), np.array([[-1, 2, 1, 2**31 - 1]], np.int32)
    targets = np.full((1, 4, 5, 5), 7, np.float32)
    assert kernel("crop_masks", masks, boxes[:, :2].copy(), matched, boxes, targets) == 0
    np.testing.assert_array_equal(targets.mean(axis=(2, 3)), [[0, 0, 1, 0]])
