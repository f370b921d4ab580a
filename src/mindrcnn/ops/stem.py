"""The stem of a ResNet whose parameters do not train, and its pooling.

Letters in shapes: B images, K channels.
"""

from mindspore import Tensor, ops

from mindrcnn.native.stem import CHANNEL_STEP, native_stem
from mindrcnn.native.switch import in_use
from mindrcnn.ops.conv import scale_rows


def frozen_stem(images: Tensor, weight: Tensor, bias: Tensor, *, scale: Tensor) -> Tensor:
    """Returns the pooled ReLU (B, K, H/4, W/4) of a convolution of stride 2, without gradient.

    The kernel neither stores the convolution's map, of four times the size, nor reads it again for bias, ReLU and
    pooling.

    images: (B, 3, H, W) float32; H and W are multiples of 4.
    weight: (K, 3, 7, 7) float32.
    bias, scale: (K,) float32; the scale multiplies the weights of each channel.
    """
    if weight.shape[0] % CHANNEL_STEP == 0 and in_use():
        return native_stem(images, weight, scale, bias)
    convolve = ops.Conv2D(weight.shape[0], 7, pad_mode="pad", pad=3, stride=2)
    out = ops.BiasAdd()(convolve(images, scale_rows(weight, scale)), bias)
    return ops.stop_gradient(halving_max_pool(ops.relu(out)))


def halving_max_pool(x: Tensor) -> Tensor:
    """Returns the 3x3 max pooling (B, K, H/2, W/2) of stride 2 of x (B, K, H, W), of even sides and not negative.

    A row and a column of zeros are prepended. Zeros are enough because nothing is negative after ReLU, and no padding
    is needed at the end because the last window ends at the border. Concatenation takes 0.03 s at 1x64x400x672 where
    ops.Pad takes 0.31 s (CPU, two cores); a MaxPool that pads by itself does not convert to ONNX.
    """
    x = ops.concat((ops.zeros_like(x[:, :, :1]), x), 2)
    x = ops.concat((ops.zeros_like(x[:, :, :, :1]), x), 3)
    return ops.MaxPool(kernel_size=3, strides=2, pad_mode="valid")(x)
