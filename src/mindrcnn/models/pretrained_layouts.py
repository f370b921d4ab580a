"""How published ImageNet weights name what our backbones hold.

Our backbones are made of ConvNorm blocks only; a layout gives, for a block's name, where its convolution and its norm
are found in the file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mindrcnn.models.layers import NORM_EPS


@dataclass(frozen=True)
class NormNames:
    """How a library names the parts of a batch norm."""

    gamma: str
    beta: str
    moving_mean: str
    moving_variance: str


TORCH_NORM = NormNames(gamma="weight", beta="bias", moving_mean="running_mean", moving_variance="running_var")
MINDSPORE_NORM = NormNames(gamma="gamma", beta="beta", moving_mean="moving_mean", moving_variance="moving_variance")


@dataclass(frozen=True)
class Layout:
    """One publisher's naming of one architecture.

    Attributes:
        title: for messages.
        block: our ConvNorm's name -> names of the file's convolution and norm.
        norm: the norm's parts; None where the norm is folded into the convolution's weight and bias.
        separator: between a layer's name and its parts.
        dropped: pattern of names that a backbone has no place for.
    """

    title: str
    block: Callable[[str], tuple[str, str]]
    norm: NormNames | None
    separator: str
    dropped: re.Pattern[str]

    def sources(self, block: str) -> dict[str, str]:
        """Our parameter name -> the file's name, of one ConvNorm."""
        convolution, norm = self.block(block)
        names = {f"{block}.conv.weight": f"{convolution}{self.separator}weight"}
        if self.norm is None:
            return names | {f"{block}.norm.beta": f"{convolution}{self.separator}bias"}
        for ours, theirs in vars(self.norm).items():
            names[f"{block}.norm.{ours}"] = f"{norm}{self.separator}{theirs}"
        return names

    def constants(self, block: str, channels: int) -> dict[str, np.ndarray]:
        """Parameters that the file leaves out: with a folded norm, those that make ours do nothing but add beta."""
        if self.norm is not None:
            return {}
        return {
            f"{block}.norm.gamma": np.full(channels, np.sqrt(1.0 + NORM_EPS), np.float32),
            f"{block}.norm.moving_mean": np.zeros(channels, np.float32),
            f"{block}.norm.moving_variance": np.ones(channels, np.float32),
        }


def _resnet_block(block: str, *, shortcut: str) -> tuple[str, str]:
    """stem.conv1 -> conv1, bn1; stage3.0.conv2 -> layer2.0.conv2, layer2.0.bn2; stage3.0.shortcut -> ..., ...."""
    if block == "stem.conv1":
        return "conv1", "bn1"
    stage, index, layer = block.split(".")
    prefix = f"layer{int(stage.removeprefix('stage')) - 1}.{index}"
    if layer == "shortcut":
        return f"{prefix}.{shortcut}.0", f"{prefix}.{shortcut}.1"
    return f"{prefix}.{layer}", f"{prefix}.{layer.replace('conv', 'bn')}"


def _torchvision_resnet_block(block: str) -> tuple[str, str]:
    return _resnet_block(block, shortcut="downsample")


def _mindcv_resnet_block(block: str) -> tuple[str, str]:
    return _resnet_block(block, shortcut="down_sample")


FIRST_MOBILENET_BLOCK = {"stage2": 1, "stage3": 4, "stage4": 6, "stage5": 12}  # counted 1..13 over the network


def _mobilenet_block(block: str) -> tuple[int, str]:
    """stage3.1.depthwise -> 5, depthwise; the stem is block 0."""
    if block == "stem":
        return 0, ""
    stage, index, layer = block.split(".")
    return FIRST_MOBILENET_BLOCK[stage] + int(index), layer


def _tensorflow_mobilenet_block(block: str) -> tuple[str, str]:
    number, layer = _mobilenet_block(block)
    name = f"Conv2d_{number}_{layer}" if number else "Conv2d_0"
    return name, name


def _mindcv_mobilenet_block(block: str) -> tuple[str, str]:
    number, layer = _mobilenet_block(block)
    if number == 0:
        return "features.0", "features.1"
    # features: convolution, norm, activation, then the blocks, each (convolution, norm, activation) twice
    first = {"depthwise": 0, "pointwise": 3}[layer]
    return f"features.{number + 2}.{first}", f"features.{number + 2}.{first + 1}"


TORCHVISION_RESNET = Layout(
    title="torchvision ResNet",
    block=_torchvision_resnet_block,
    norm=TORCH_NORM,
    separator=".",
    dropped=re.compile(r"fc\.(weight|bias)|.*\.num_batches_tracked"),
)
MINDCV_RESNET = Layout(
    title="mindcv ResNet",
    block=_mindcv_resnet_block,
    norm=MINDSPORE_NORM,
    separator=".",
    dropped=re.compile(r"classifier\.(weight|bias)"),
)
MINDCV_MOBILENET_V1 = Layout(
    title="mindcv MobileNetV1",
    block=_mindcv_mobilenet_block,
    norm=MINDSPORE_NORM,
    separator=".",
    dropped=re.compile(r"classifier\.(weight|bias)"),
)
TENSORFLOW_MOBILENET_V1 = Layout(
    title="TensorFlow MobileNetV1 with folded batch norm",
    block=_tensorflow_mobilenet_block,
    norm=None,
    separator="/",
    dropped=re.compile(r"head/(weight|bias)"),
)
