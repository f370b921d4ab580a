"""Weight initialisations that detectron2 and torchvision use, as MindSpore initializers.

Pass the result as `weight_init` of a layer. Every draw follows `mindspore.set_seed`.
"""

from mindspore.common.initializer import HeNormal, HeUniform, Initializer


def msra_normal() -> Initializer:
    """Normal of variance 2 / fan_out (He et al. 2015; detectron2 `c2_msra_fill`): ResNet convolutions, mask heads."""
    return HeNormal(mode="fan_out", nonlinearity="relu")


def msra_normal_fan_in() -> Initializer:
    """Normal of variance 2 / fan_in.

    For depthwise convolutions, whose fan_out as computed from the weight's shape (channels x kernel area) is too large
    by the number of channels and would let the signal die away.
    """
    return HeNormal(mode="fan_in", nonlinearity="relu")


def xavier_fill() -> Initializer:
    """Uniform of variance 1 / fan_in: FPN and fully connected layers.

    detectron2 `c2_xavier_fill`; torchvision `kaiming_uniform_(a=1)`.
    """
    return HeUniform(negative_slope=1, mode="fan_in", nonlinearity="leaky_relu")
