"""Convolutions against loops in numpy: values, gradients, skipped images."""

from collections.abc import Callable

import numpy as np
import pytest
from mindspore import ops

from mindrcnn.native.switch import in_use
from mindrcnn.ops.conv import (
    add_upsampled,
    conv1x1,
    conv1x1_add_relu,
    conv1x1_stride2,
    conv1x1_twice,
    conv3x3,
    conv3x3_stride2,
)


def reference(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, relu: bool) -> np.ndarray:
    """The definition of convolution, one weight after the other; float64."""
    height, width = x.shape[2:]
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.tile(bias.astype(np.float64)[None, :, None, None], (len(x), 1, height, width))
    for row in range(3):
        for column in range(3):
            window = padded[:, :, row : row + height, column : column + width]
            out += np.einsum("kc,nchw->nkhw", weight[:, :, row, column], window)
    return np.maximum(out, 0) if relu else out


def reference_gradients(
    sens: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, relu: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(output * sens) with respect to x, weight and bias; float64."""
    height, width = x.shape[2:]
    sens = sens.astype(np.float64) * (reference(x, weight, bias, relu=relu) > 0 if relu else 1)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    x_gradient, weight_gradient = np.zeros_like(padded), np.zeros(weight.shape)
    for row in range(3):
        for column in range(3):
            place = np.s_[:, :, row : row + height, column : column + width]
            weight_gradient[:, :, row, column] = np.einsum("nkhw,nchw->kc", sens, padded[place])
            x_gradient[place] += np.einsum("kc,nkhw->nchw", weight[:, :, row, column], sens)
    return x_gradient[:, :, 1:-1, 1:-1], weight_gradient, sens.sum(axis=(0, 2, 3))


def with_relu(x, weight, bias):  # type: ignore[no-untyped-def]
    return conv3x3(x, weight, bias, relu=True)


def without_relu(x, weight, bias):  # type: ignore[no-untyped-def]
    return conv3x3(x, weight, bias, relu=False)


FUNCTIONS = {True: with_relu, False: without_relu}

# images, channels in and out, height, width: whole tiles and parts of them, one tile, more than a block of tiles, many
# small maps, channels that the kernel does not support, channels that are filled up as in the IoU head's first layer
SHAPES = {
    "tiles": (2, 32, 64, 8, 12),
    "parts of tiles": (3, 64, 32, 7, 13),
    "one row": (1, 32, 32, 1, 9),
    "one pixel": (2, 32, 32, 1, 1),
    "blocks": (2, 32, 32, 45, 61),
    "mask head": (17, 32, 32, 14, 14),
    "small maps": (18, 32, 64, 9, 7),
    "odd channels": (2, 5, 33, 6, 6),
    "one channel more": (3, 33, 32, 5, 7),
}


def arrays(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """x, weight, bias and the output's gradient."""
    images, channels, out_channels, height, width = shape
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=(images, channels, height, width))
    weight = rng.normal(size=(out_channels, channels, 3, 3)) / np.sqrt(9 * channels)
    sens = rng.normal(size=(images, out_channels, height, width))
    return tuple(array.astype(np.float32) for array in (x, weight, rng.normal(size=out_channels), sens))


def assert_close(got: np.ndarray, wanted: np.ndarray) -> None:
    """Asserts equality within float32's rounding of long sums, relative to the largest value."""
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_values(shape: str, relu: bool, run: Callable, implementation: str) -> None:
    x, weight, bias, _ = arrays(SHAPES[shape])
    assert_close(run(FUNCTIONS[relu], x, weight, bias), reference(x, weight, bias, relu=relu))


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape: str, relu: bool, gradients: Callable, implementation: str) -> None:
    x, weight, bias, sens = arrays(SHAPES[shape])
    # No output near 0, where rounding decides which side of ReLU it lies on.
    far = np.abs(reference(x, weight, bias, relu=False)) > 1e-4
    sens = sens * far
    got = gradients(FUNCTIONS[relu], sens, x, weight, bias)
    wanted = reference_gradients(sens, x, weight, bias, relu=relu)
    for one, other in zip(got, wanted, strict=True):
        assert other.any()
        assert_close(one, other)


@pytest.mark.parametrize("shape", SHAPES)
def test_stride_2(shape: str, run: Callable, gradients: Callable, implementation: str) -> None:
    """Every second pixel, starting with the first, for odd and even sides."""
    x, weight, bias, sens = arrays(SHAPES[shape])
    assert_close(run(conv3x3_stride2, x, weight, bias), reference(x, weight, bias, relu=False)[:, :, ::2, ::2])
    spread = np.zeros_like(sens)
    spread[:, :, ::2, ::2] = sens[:, :, ::2, ::2]
    got = gradients(conv3x3_stride2, np.ascontiguousarray(sens[:, :, ::2, ::2]), x, weight, bias)
    for one, other in zip(got, reference_gradients(spread, x, weight, bias, relu=False), strict=True):
        assert_close(one, other)


def leave_out(x, weight, bias, valid):  # type: ignore[no-untyped-def]
    return conv3x3(x, weight, bias, relu=True, valid=valid)


@pytest.mark.parametrize(
    "valid", [(True, False, True, True, False) * 3 + (True,) * 2, (False,) * 17], ids=["some", "none"]
)
def test_images_left_out(valid: tuple[bool, ...], run: Callable, gradients: Callable, implementation: str) -> None:
    """Skipped images do not affect the others, whatever they hold."""
    x, weight, bias, sens = arrays(SHAPES["mask head"])
    chosen = np.array(valid)
    sens *= chosen[:, None, None, None]
    wanted = reference(x, weight, bias, relu=True)
    wanted_gradients = reference_gradients(sens, x, weight, bias, relu=True)
    if implementation == "native":
        x[~chosen] = np.nan
    got = run(leave_out, x, weight, bias, chosen)
    np.testing.assert_allclose(got[chosen], wanted[chosen], atol=1e-4)
    got_gradients = gradients(leave_out, sens, x, weight, bias, chosen)[:3]
    for one, other in zip(got_gradients, wanted_gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)
    if implementation == "native":
        assert not got[~chosen].any()
        assert not got_gradients[0][~chosen].any()


def leave_out_stride_2(x, weight, bias, valid):  # type: ignore[no-untyped-def]
    return conv3x3_stride2(x, weight, bias, relu=True, valid=valid)


def test_images_left_out_of_stride_2(run: Callable, gradients: Callable, implementation: str) -> None:
    x, weight, bias, sens = arrays(SHAPES["small maps"])
    chosen = np.arange(len(x)) % 3 > 0
    sens *= chosen[:, None, None, None]
    spread = np.zeros_like(sens)
    spread[:, :, ::2, ::2] = sens[:, :, ::2, ::2]
    wanted = reference(x, weight, bias, relu=True)[:, :, ::2, ::2]
    wanted_gradients = reference_gradients(spread, x, weight, bias, relu=True)
    if implementation == "native":
        x[~chosen] = np.nan
    assert_close(run(leave_out_stride_2, x, weight, bias, chosen)[chosen], wanted[chosen])
    got = gradients(leave_out_stride_2, np.ascontiguousarray(sens[:, :, ::2, ::2]), x, weight, bias, chosen)[:3]
    for one, other in zip(got, wanted_gradients, strict=True):
        assert_close(one, other)


def test_not_a_number_stays_one(run: Callable) -> None:
    """The kernel must not hide diverged training."""
    if not in_use():
        pytest.skip("no native kernels here")
    x, weight, bias, _ = arrays(SHAPES["tiles"])
    x[0, 3, 2, 2] = np.nan
    out = run(with_relu, x, weight, bias)
    assert np.isnan(out[0, :, 1:4, 1:4]).all()
    assert np.isfinite(out[1]).all()


# ----------------------------------------------------------------------------------------------------------------- 1x1


def one_by_one(weight: np.ndarray) -> np.ndarray:
    """The same convolution as a 3x3 one."""
    return np.pad(weight, ((0, 0), (0, 0), (1, 1), (1, 1)))


def plain_1x1(x, weight, bias, scale):  # type: ignore[no-untyped-def]
    return conv1x1(x, weight, bias, scale=scale)


def relu_1x1(x, weight, bias, scale):  # type: ignore[no-untyped-def]
    return conv1x1(x, weight, bias, scale=scale, relu=True)


FUNCTIONS_1X1 = {True: relu_1x1, False: plain_1x1}


def arrays_1x1(shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """x, weight, bias, scale and the output's gradient."""
    x, weight, bias, sens = arrays(shape)
    scale = np.random.default_rng(1).uniform(0.5, 2, len(bias)).astype(np.float32)
    return x, 3 * weight[:, :, :1, :1].copy(), bias, scale, sens


def scaled(weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return weight * scale[:, None, None, None]


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_1x1(shape: str, relu: bool, run: Callable, gradients: Callable, implementation: str) -> None:
    x, weight, bias, scale, sens = arrays_1x1(SHAPES[shape])
    folded = one_by_one(scaled(weight, scale))
    sens = sens * (np.abs(reference(x, folded, bias, relu=False)) > 1e-4)
    assert_close(run(FUNCTIONS_1X1[relu], x, weight, bias, scale), reference(x, folded, bias, relu=relu))
    got = gradients(FUNCTIONS_1X1[relu], sens, x, weight, bias, scale)
    to_x, to_weight, to_bias = reference_gradients(sens, x, folded, bias, relu=relu)
    assert_close(got[0], to_x)
    assert_close(got[1], scaled(to_weight[:, :, 1:2, 1:2], scale))
    assert_close(got[2], to_bias)
    assert not got[3].any()


def with_summand(x, weight, bias, summand, scale):  # type: ignore[no-untyped-def]
    return conv1x1_add_relu(x, weight, bias, summand, scale=scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_summand(shape: str, run: Callable, gradients: Callable, implementation: str) -> None:
    x, weight, bias, scale, sens = arrays_1x1(SHAPES[shape])
    summand = np.random.default_rng(2).normal(size=sens.shape).astype(np.float32)
    folded = one_by_one(scaled(weight, scale))
    total = reference(x, folded, bias, relu=False) + summand
    sens = sens * (np.abs(total) > 1e-4)
    assert_close(run(with_summand, x, weight, bias, summand, scale), np.maximum(total, 0))
    got = gradients(with_summand, sens, x, weight, bias, summand, scale)
    positive = sens * (total > 0)
    to_x, to_weight, to_bias = reference_gradients(positive, x, folded, bias, relu=False)
    for one, other in zip(got, (to_x, scaled(to_weight[:, :, 1:2, 1:2], scale), to_bias, positive), strict=False):
        assert_close(one, other)


def halving_1x1(x, weight, bias, scale):  # type: ignore[no-untyped-def]
    return conv1x1_stride2(x, weight, bias, scale=scale, relu=True)


@pytest.mark.parametrize("shape", ["parts of tiles", "odd channels"])
def test_1x1_of_stride_2(shape: str, run: Callable, gradients: Callable, implementation: str) -> None:
    """Every second pixel, starting with the first."""
    x, weight, bias, scale, sens = arrays_1x1(SHAPES[shape])
    folded = one_by_one(scaled(weight, scale))
    sens = sens * (np.abs(reference(x, folded, bias, relu=False)) > 1e-4)
    assert_close(run(halving_1x1, x, weight, bias, scale), reference(x, folded, bias, relu=True)[:, :, ::2, ::2])
    spread = np.zeros_like(sens)
    spread[:, :, ::2, ::2] = sens[:, :, ::2, ::2]
    got = gradients(halving_1x1, np.ascontiguousarray(sens[:, :, ::2, ::2]), x, weight, bias, scale)
    to_x, to_weight, to_bias = reference_gradients(spread, x, folded, bias, relu=True)
    for one, other in zip(got, (to_x, scaled(to_weight[:, :, 1:2, 1:2], scale), to_bias), strict=False):
        assert_close(one, other)


def twice_as_one(x, weight, bias, other_weight, other_bias):  # type: ignore[no-untyped-def]
    return ops.concat(conv1x1_twice(x, weight, bias, other_weight, other_bias), 1)


@pytest.mark.parametrize("channels", [(3, 12), (4, 12), (5, 7)])
def test_two_1x1_of_one_map(channels: tuple[int, int], run: Callable, gradients: Callable, implementation: str) -> None:
    rng = np.random.default_rng(3)
    x, sens = (rng.normal(size=(2, count, 5, 7)).astype(np.float32) for count in (32, sum(channels)))
    weights = [rng.normal(size=(count, 32, 1, 1)).astype(np.float32) for count in channels]
    biases = [rng.normal(size=count).astype(np.float32) for count in channels]
    inputs = (x, weights[0], biases[0], weights[1], biases[1])
    whole, bias = one_by_one(np.concatenate(weights)), np.concatenate(biases)
    assert_close(run(twice_as_one, *inputs), reference(x, whole, bias, relu=False))
    to_x, to_weight, to_bias = reference_gradients(sens, x, whole, bias, relu=False)
    to_weight, first = to_weight[:, :, 1:2, 1:2], channels[0]
    wanted = (to_x, to_weight[:first], to_bias[:first], to_weight[first:], to_bias[first:])
    for one, other in zip(gradients(twice_as_one, sens, *inputs), wanted, strict=True):
        assert_close(one, other)


def scaled_3x3(x, weight, bias, scale):  # type: ignore[no-untyped-def]
    return conv3x3(x, weight, bias, scale=scale, relu=True)


def test_scale_of_3x3(run: Callable, gradients: Callable, implementation: str) -> None:
    x, _, bias, scale, sens = arrays_1x1(SHAPES["parts of tiles"])
    _, weight, _, _ = arrays(SHAPES["parts of tiles"])
    folded = scaled(weight, scale)
    sens = sens * (np.abs(reference(x, folded, bias, relu=False)) > 1e-4)
    assert_close(run(scaled_3x3, x, weight, bias, scale), reference(x, folded, bias, relu=True))
    got = gradients(scaled_3x3, sens, x, weight, bias, scale)
    to_x, to_weight, to_bias = reference_gradients(sens, x, folded, bias, relu=True)
    for one, other in zip(got, (to_x, scaled(to_weight, scale), to_bias, np.zeros(len(bias))), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=3e-5 * max(np.abs(other).max(), 1))


@pytest.mark.parametrize("function", [conv3x3, conv3x3_stride2, conv1x1, conv1x1_stride2])
def test_no_bias(function: Callable, run: Callable, gradients: Callable, implementation: str) -> None:
    def without_bias(x, weight):  # type: ignore[no-untyped-def]
        return function(x, weight, None)

    x, weight, bias, sens = arrays(SHAPES["parts of tiles"])
    step = 2 if function in (conv3x3_stride2, conv1x1_stride2) else 1
    if function in (conv1x1, conv1x1_stride2):
        weight = one_by_one(weight[:, :, :1, :1])
        given = weight[:, :, 1:2, 1:2].copy()
    else:
        given = weight
    wanted = reference(x, weight, np.zeros_like(bias), relu=False)[:, :, ::step, ::step]
    assert_close(run(without_bias, x, given), wanted)
    spread = np.zeros_like(sens)
    spread[:, :, ::step, ::step] = sens[:, :, ::step, ::step]
    to_x, to_weight, _ = reference_gradients(spread, x, weight, bias, relu=False)
    got = gradients(without_bias, np.ascontiguousarray(sens[:, :, ::step, ::step]), x, given)
    assert_close(got[0], to_x)
    assert_close(got[1], to_weight if given is weight else to_weight[:, :, 1:2, 1:2])


def leave_out_1x1(x, weight, bias, valid):  # type: ignore[no-untyped-def]
    return conv1x1(x, weight, bias, valid=valid)


@pytest.mark.parametrize(
    "valid", [(True, False, True, True, False) * 3 + (True,) * 2, (False,) * 17], ids=["some", "none"]
)
def test_images_left_out_of_1x1(valid: tuple[bool, ...], run: Callable, gradients: Callable) -> None:
    if not in_use():
        pytest.skip("no native kernels here")
    x, weight, bias, _, sens = arrays_1x1(SHAPES["mask head"])
    chosen = np.array(valid)
    sens *= chosen[:, None, None, None]
    folded = one_by_one(weight)
    wanted, wanted_gradients = (
        reference(x, folded, bias, relu=False),
        reference_gradients(sens, x, folded, bias, relu=False),
    )
    x[~chosen] = np.nan
    got = run(leave_out_1x1, x, weight, bias, chosen)
    np.testing.assert_allclose(got[chosen], wanted[chosen], atol=1e-4)
    assert not got[~chosen].any()
    to_x, to_weight, to_bias = gradients(leave_out_1x1, sens, x, weight, bias, chosen)[:3]
    np.testing.assert_allclose(to_x, wanted_gradients[0], atol=2e-3)
    np.testing.assert_allclose(to_weight, wanted_gradients[1][:, :, 1:2, 1:2], atol=2e-3)
    np.testing.assert_allclose(to_bias, wanted_gradients[2], atol=2e-3)


@pytest.mark.parametrize("coarse_shape", [(2, 3, 4, 3), (1, 2, 1, 1)])
def test_add_upsampled(coarse_shape: tuple[int, ...], run: Callable, gradients: Callable, implementation: str) -> None:
    """A coarse pixel's gradient is the sum over its four fine ones; the fine map's passes through."""
    rng = np.random.default_rng(2)
    batch, channels, height, width = coarse_shape
    coarse = rng.normal(size=coarse_shape).astype(np.float32)
    fine, sens = (rng.normal(size=(batch, channels, 2 * height, 2 * width)).astype(np.float32) for _ in range(2))
    wanted = fine + coarse.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_array_equal(run(add_upsampled, fine, coarse), wanted)
    to_fine, to_coarse = gradients(add_upsampled, sens, fine, coarse)
    np.testing.assert_array_equal(to_fine, sens)
    wanted = sum(sens[:, :, dy::2, dx::2] for dy in (0, 1) for dx in (0, 1))
    np.testing.assert_allclose(to_coarse, wanted, rtol=1e-6, atol=1e-6)
