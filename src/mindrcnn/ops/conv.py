"""Convolutions that keep the size of their maps or halve it: nearly all of the arithmetic of a detector.

Letters in shapes: B images, C channels that go in, K channels that come out. Everything is float32.

Each channel that comes out is multiplied with its scale [K], by default 1, and then gets its bias [K]; no gradient
flows to the scale. Images that are not valid [B] bool may be left out: nobody may use what comes out for them, and no
gradient may come from there. The kernels do not compute them and give zeros.
"""

import mindspore as ms
from mindspore import Tensor, ops

from mindrcnn.native.conv import CHANNEL_STEPS_1X1, CHANNEL_STEPS_3X3, native_add_conv1x1, native_conv
from mindrcnn.native.resample import native_add_upsampled, native_every_second
from mindrcnn.native.switch import in_use


def conv3x3(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """x [B, C, H, W], weight [K, C, 3, 3]. Returns [B, K, H, W], behind ReLU if asked for."""
    return _conv(x, weight, bias, scale, relu, valid, CHANNEL_STEPS_3X3)


def conv3x3_stride2(x: Tensor, weight: Tensor, bias: Tensor, *, scale: Tensor | None = None) -> Tensor:
    """x [B, C, H, W], weight [K, C, 3, 3]. Returns [B, K, H/2, W/2], sides rounded up.

    The kernel computes all pixels as fast as MindSpore every second one, which for that keeps nine copies of the map,
    once for each gradient too.
    """
    if _kernel_fits(weight, CHANNEL_STEPS_3X3):
        return native_every_second(conv3x3(x, weight, bias, scale=scale))
    return _portable(x, weight, bias, scale, stride=2)


def conv1x1(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    scale: Tensor | None = None,
    relu: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """x [B, C, H, W], weight [K, C, 1, 1]. Returns [B, K, H, W], behind ReLU if asked for."""
    return _conv(x, weight, bias, scale, relu, valid, CHANNEL_STEPS_1X1)


def conv1x1_add_relu(
    x: Tensor, weight: Tensor, bias: Tensor, summand: Tensor, *, scale: Tensor | None = None
) -> Tensor:
    """ReLU of conv1x1's result and a summand [B, K, H, W]."""
    if _kernel_fits(weight, CHANNEL_STEPS_1X1):
        scale = ops.ones((weight.shape[0],), ms.float32) if scale is None else scale
        return native_add_conv1x1(x, weight, scale, bias, summand, ops.ones((x.shape[0],), ms.bool_))
    return ops.relu(_portable(x, weight, bias, scale) + summand)


def scale_rows(weight: Tensor, scale: Tensor) -> Tensor:
    """Weight [K, C, H, W] with the values of each channel that comes out times its scale [K]."""
    # Tiled, because on a CPU a product that broadcasts keeps two index lists of eight bytes for each value.
    return weight * ops.tile(scale.reshape(-1, 1, 1, 1), (1, *weight.shape[1:]))


def add_upsampled(fine: Tensor, coarse: Tensor) -> Tensor:
    """fine [B,C,2H,2W] + coarse [B,C,H,W] enlarged twice by nearest neighbour.

    Without the kernel the addition itself broadcasts each coarse pixel over its four fine ones, so no enlarged map is
    stored: with a coarse map of 1x256x100x168, forward and backward take 0.12 s; with ops.interpolate 0.15 s, with
    ResizeNearestNeighbor 0.33 s (CPU, two cores). MindSpore keeps 16 bytes for each fine pixel for that.
    """
    if in_use():
        return native_add_upsampled(fine, coarse)
    batch, channels, height, width = coarse.shape
    blocks = fine.reshape(batch, channels, height, 2, width, 2) + coarse.reshape(batch, channels, height, 1, width, 1)
    return blocks.reshape(batch, channels, 2 * height, 2 * width)


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    scale: Tensor | None,
    relu: bool,
    valid: Tensor | None,
    steps: tuple[int, int],
) -> Tensor:
    if _kernel_fits(weight, steps):
        scale = ops.ones((weight.shape[0],), ms.float32) if scale is None else scale
        valid = ops.ones((x.shape[0],), ms.bool_) if valid is None else valid
        return native_conv(x, weight, scale, bias, valid, relu=relu)
    out = _portable(x, weight, bias, scale)
    return ops.relu(out) if relu else out


def _kernel_fits(weight: Tensor, steps: tuple[int, int]) -> bool:
    in_step, out_step = steps
    return weight.shape[1] % in_step == 0 and weight.shape[0] % out_step == 0 and in_use()


def _portable(x: Tensor, weight: Tensor, bias: Tensor, scale: Tensor | None, stride: int = 1) -> Tensor:
    if scale is not None:  # cheaper than scaling the map
        weight = scale_rows(weight, ops.stop_gradient(scale))
    side = weight.shape[2]
    convolve = ops.Conv2D(weight.shape[0], side, pad_mode="pad", pad=side // 2, stride=stride)
    return ops.BiasAdd()(convolve(x, weight), bias)
