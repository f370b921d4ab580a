"""Convolutions that keep or halve the size of feature maps, and the upsampled sum of the feature pyramid.

They do nearly all of the arithmetic of a detector. Letters in shapes: B images, C input channels, K output channels.
Everything is float32.

Each output channel is multiplied by its scale (K,), 1 by default, before its bias (K,), if there is one, is added; no
gradient flows to the scale. Images where `valid` (B,) bool is False may be skipped: their outputs are unspecified and
must not be used, and no gradient may come from them. The kernels skip them and return zeros.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.conv import CHANNEL_STEPS_1X1, CHANNEL_STEPS_3X3, native_add_conv1x1, native_conv
from mindrcnn.native.resample import native_add_upsampled, native_every_second
from mindrcnn.native.switch import in_use


def conv3x3(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Returns the convolution (B, K, H, W) of x, after ReLU if asked for.

    x: (B, C, H, W).
    weight: (K, C, 3, 3).
    bias: (K,).
    scale: (K,), no scaling without it.
    relu: apply ReLU to the result.
    valid: (B,) bool, the images to compute; all without it.
    """
    return _conv(x, weight, bias, scale, relu, valid, CHANNEL_STEPS_3X3)


def conv3x3_stride2(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Returns every second pixel (B, K, H/2, W/2) of `conv3x3`, sides rounded up; its arguments are the same.

    The kernel computes all pixels in the time that MindSpore needs for every second one; MindSpore also keeps nine
    copies of the map for it, and again for each gradient.
    """
    if _kernel_fits(weight, CHANNEL_STEPS_3X3):
        return native_every_second(conv3x3(x, weight, bias, scale=scale, relu=relu, valid=valid))
    return _portable(x, weight, bias, scale, relu=relu, stride=2)


def conv1x1(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Returns the convolution (B, K, H, W) of x, after ReLU if asked for.

    x: (B, C, H, W).
    weight: (K, C, 1, 1).
    bias: (K,).
    scale: (K,), no scaling without it.
    relu: apply ReLU to the result.
    valid: (B,) bool, the images to compute; all without it.
    """
    return _conv(x, weight, bias, scale, relu, valid, CHANNEL_STEPS_1X1)


def conv1x1_stride2(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Returns `conv1x1` (B, K, H/2, W/2) of every second pixel of x, sides rounded up; its arguments are the same."""
    if _kernel_fits(weight, CHANNEL_STEPS_1X1):
        return conv1x1(native_every_second(x), weight, bias, scale=scale, relu=relu, valid=valid)
    return _portable(x, weight, bias, scale, relu=relu, stride=2)


def conv1x1_twice(
    x: Tensor, weight: Tensor, bias: Tensor, other_weight: Tensor, other_bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns two convolutions (B, K, H, W) and (B, L, H, W) of x, which the kernel reads once.

    x: (B, C, H, W).
    weight: (K, C, 1, 1).
    bias: (K,).
    other_weight: (L, C, 1, 1).
    other_bias: (L,).
    """
    in_step, out_step = CHANNEL_STEPS_1X1
    channels, last = weight.shape[0], weight.shape[0] + other_weight.shape[0]
    if weight.shape[1] % in_step != 0 or not in_use():
        return _portable(x, weight, bias, None), _portable(x, other_weight, other_bias, None)
    unused = -last % out_step
    weights: tuple[Tensor, ...] = (weight, other_weight)
    biases: tuple[Tensor, ...] = (bias, other_bias)
    if unused:
        weights += (ops.zeros((unused, *weight.shape[1:]), ms.float32),)
        biases += (ops.zeros((unused,), ms.float32),)
    both = conv1x1(x, ops.concat(weights, 0), ops.concat(biases, 0))
    return both[:, :channels], both[:, channels:last]


def conv1x1_add_relu(
    x: Tensor, weight: Tensor, bias: Tensor, summand: Tensor, *, scale: Tensor | None = None
) -> Tensor:
    """Returns ReLU of the sum (B, K, H, W) of a 1x1 convolution and another map.

    x: (B, C, H, W).
    weight: (K, C, 1, 1).
    bias: (K,).
    summand: (B, K, H, W).
    scale: (K,), no scaling without it.
    """
    if _kernel_fits(weight, CHANNEL_STEPS_1X1):
        x, weight = _fill_channels(x, CHANNEL_STEPS_1X1), _fill_channels(weight, CHANNEL_STEPS_1X1)
        scale = ops.ones((weight.shape[0],), ms.float32) if scale is None else scale
        return native_add_conv1x1(x, weight, scale, bias, summand, ops.ones((x.shape[0],), ms.bool_))
    return ops.relu(_portable(x, weight, bias, scale) + summand)


def scale_rows(weight: Tensor, scale: Tensor) -> Tensor:
    """Multiplies the weights (K, C, H, W) of each output channel by its scale (K,)."""
    # Tiled, because on a CPU a broadcasting product keeps two index lists of eight bytes per value.
    return weight * ops.tile(scale.reshape(-1, 1, 1, 1), (1, *weight.shape[1:]))


def add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    """Adds coarse (B, C, H, W), upsampled by two with nearest neighbour, to fine (B, C, 2H, 2W).

    Without the kernel the addition itself broadcasts each coarse pixel over its four fine ones, so no upsampled map is
    stored: with a coarse map of 1x256x100x168, forward and backward take 0.12 s; with ops.interpolate 0.15 s, with
    ResizeNearestNeighbor 0.33 s (CPU, two cores). MindSpore keeps 16 bytes per fine pixel for it.
    """
    if in_use():
        return native_add_upsampled(fine, coarse)
    batch, channels, height, width = coarse.shape
    blocks = fine.reshape(batch, channels, height, 2, width, 2) + coarse.reshape(batch, channels, height, 1, width, 1)
    return blocks.reshape(batch, channels, 2 * height, 2 * width)


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scale: Tensor | None,
    relu: bool,
    valid: Tensor | None,
    steps: tuple[int, int],
) -> Tensor:
    if not _kernel_fits(weight, steps):
        return _portable(x, weight, bias, scale, relu=relu)
    x, weight = _fill_channels(x, steps), _fill_channels(weight, steps)
    scale = ops.ones((weight.shape[0],), ms.float32) if scale is None else scale
    bias = ops.zeros((weight.shape[0],), ms.float32) if bias is None else bias
    valid = ops.ones((x.shape[0],), ms.bool_) if valid is None else valid
    return native_conv(x, weight, scale, bias, valid, relu=relu)


def _fill_channels(x: Tensor, steps: tuple[int, int]) -> Tensor:
    """Adds channels of zeros to x (N, C, H, W) up to a multiple of the kernel's step."""
    unused = -x.shape[1] % steps[0]
    return ops.concat((x, ops.zeros((x.shape[0], unused, *x.shape[2:]), ms.float32)), 1) if unused else x


def _kernel_fits(weight: Tensor, steps: tuple[int, int]) -> bool:
    in_step, out_step = steps
    return weight.shape[1] >= in_step and weight.shape[0] % out_step == 0 and in_use()


def _portable(
    x: Tensor, weight: Tensor, bias: Tensor | None, scale: Tensor | None, *, relu: bool = False, stride: int = 1
) -> Tensor:
    if scale is not None:  # cheaper than scaling the map
        weight = scale_rows(weight, ops.stop_gradient(scale))
    side = weight.shape[2]
    convolve = ops.Conv2D(weight.shape[0], side, pad_mode="pad", pad=side // 2, stride=stride)
    out = convolve(x, weight)
    out = out if bias is None else ops.BiasAdd()(out, bias)
    return ops.relu(out) if relu else out
