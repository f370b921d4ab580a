"""Calls of a detector's layers by their shapes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from mindspore import Tensor, ops

from benchmarks.network_layers import STRIDES, Layer
from benchmarks.scene import random_boxes
from mindrcnn.ops.conv import conv1x1, conv1x1_add_relu, conv1x1_stride2, conv1x1_twice, conv3x3, conv3x3_stride2
from mindrcnn.ops.roi_align import roi_align
from mindrcnn.ops.stem import frozen_stem

IMAGE = (800, 1344)  # that boxes are pooled from, whatever the size of the other layers
SMALLEST_BOX = 32
ANCHORS = 3


def filled(*shape: int) -> Tensor:
    """Returns small numbers (float32) of this shape."""
    return Tensor.from_numpy(np.full(shape, 0.01, np.float32))


def call_of(layer: Layer) -> Callable[[], Any]:
    """Returns a call of the layer on tensors of its shapes, as the detector makes it."""
    if layer.kind == "ROIAlign":
        return pooling(layer)
    inputs, outputs = layer.channels
    scale, bias = filled(outputs), filled(outputs)
    if layer.kind == "dense":
        rows, weight, multiply = filled(layer.boxes, inputs), filled(outputs, inputs), ops.MatMul(transpose_b=True)
        return lambda: ops.BiasAdd()(multiply(rows, weight), bias)
    x = filled(layer.boxes, inputs, *layer.size)
    side = {"stem": 7, "3x3": 3, "3x3 halving": 3}.get(layer.kind, 1)
    weight = filled(outputs, inputs, side, side)
    if layer.kind == "two 1x1":
        first, second = filled(ANCHORS, inputs, 1, 1), filled(outputs - ANCHORS, inputs, 1, 1)
        return lambda: conv1x1_twice(x, first, filled(ANCHORS), second, filled(outputs - ANCHORS))
    if layer.kind == "1x1 add":
        summand = filled(layer.boxes, outputs, *layer.size)
        return lambda: conv1x1_add_relu(x, weight, bias, summand, scale=scale)
    if layer.kind == "1x1":
        return lambda: conv1x1(x, weight, bias, scale=scale, relu=True)
    functions: dict[str, Callable[..., Any]] = {
        "stem": frozen_stem,
        "3x3": conv3x3,
        "1x1 halving": conv1x1_stride2,
        "3x3 halving": conv3x3_stride2,
    }
    function = functions[layer.kind]
    return lambda: function(x, weight, bias, scale=scale)


def pooling(layer: Layer) -> Callable[[], Any]:
    """Returns a call of ROIAlign on boxes of all sizes."""
    height, width = IMAGE
    rng = np.random.default_rng(0)
    boxes = random_boxes(rng, (1, layer.boxes), height=height, width=width, smallest=SMALLEST_BOX, largest=min(IMAGE))
    features = tuple(filled(1, layer.channels[0], height // stride, width // stride) for stride in STRIDES[:4])
    inputs = Tensor.from_numpy(boxes), Tensor.from_numpy(np.ones((1, layer.boxes), bool))
    resolution = layer.size[0]
    return lambda: roi_align(features, STRIDES[:4], *inputs, resolution=resolution, sampling_ratio=2, aligned=True)
