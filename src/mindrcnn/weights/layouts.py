"""Layouts of published ImageNet weights: the file's names for the layers of our backbones.

Our backbones consist of ConvNorm blocks only; a layout maps the name of a block to those of its convolution and its
norm in the file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mindrcnn.models.layers import NORM_EPS


@dataclass(frozen=True)
class NormNames:
    """A library's names for the parts of a batch norm; None for a part that is folded into the others."""

    gamma: str | None
    beta: str
    moving_mean: str | None
    moving_variance: str | None


TORCH_NORM = NormNames(gamma="weight", beta="bias", moving_mean="running_mean", moving_variance="running_var")
MINDSPORE_NORM = NormNames(gamma="gamma", beta="beta", moving_mean="moving_mean", moving_variance="moving_variance")
# Pattern of what MindSpore's optimizers and training networks save beside the weights.
TRAINING_STATE = (
    r"(accum|stat|moments|moment1|moment2)\..*|learning_rate|momentum|global_step|epoch_num|step_num|loss_scale"
    r"|current_iterator_step|last_overflow_iterator_step|scale_sense"
)
# Values with which a part has no effect: the variance plus the norm's epsilon is 1.
LEFT_OUT = {"gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0 - NORM_EPS}


@dataclass(frozen=True)
class Layout:
    """One publisher's naming of one architecture.

    Attributes:
        title: name of the layout in messages.
        block: maps the name of our ConvNorm to the file's names of its convolution and norm.
        norm: names of the norm's parts.
        separator: text between a layer's name and that of its part.
        dropped: pattern of the names that a backbone has no place for.
        weight: name of the convolution's weight.
    """

    title: str
    block: Callable[[str], tuple[str, str]]
    norm: NormNames
    separator: str
    dropped: re.Pattern[str]
    weight: str = "weight"

    def sources(self, block: str) -> dict[str, str]:
        """Maps our parameter names of one ConvNorm to the file's names, for the parts that the file has."""
        convolution, norm = self.block(block)
        names = {f"{block}.conv.weight": f"{convolution}{self.separator}{self.weight}"}
        for ours, theirs in vars(self.norm).items():
            if theirs is not None:
                names[f"{block}.norm.{ours}"] = f"{norm}{self.separator}{theirs}"
        return names

    def constants(self, block: str, channels: int) -> dict[str, np.ndarray]:
        """Returns the values of the parts that the file leaves out, (channels,) float32 each."""
        parts = vars(self.norm)
        return {
            f"{block}.norm.{part}": np.full(channels, value, np.float32)
            for part, value in LEFT_OUT.items()
            if parts[part] is None
        }


def resnet_block(block: str, *, shortcut: str) -> tuple[str, str]:
    """Maps stem.conv1 -> conv1, bn1; stage3.0.conv2 -> layer2.0.conv2, layer2.0.bn2; stage3.0.shortcut -> ..., ...."""
    if block == "stem.conv1":
        return "conv1", "bn1"
    stage, index, layer = block.split(".")
    prefix = f"layer{int(stage.removeprefix('stage')) - 1}.{index}"
    if layer == "shortcut":
        return f"{prefix}.{shortcut}.0", f"{prefix}.{shortcut}.1"
    return f"{prefix}.{layer}", f"{prefix}.{layer.replace('conv', 'bn')}"


def _torchvision_resnet_block(block: str) -> tuple[str, str]:
    return resnet_block(block, shortcut="downsample")


def _mindcv_resnet_block(block: str) -> tuple[str, str]:
    return resnet_block(block, shortcut="down_sample")


def _zoo_resnet_block(block: str) -> tuple[str, str]:
    return resnet_block(block, shortcut="down_sample_layer")


def converted_zoo_block(block: str) -> tuple[str, str]:
    """Maps as for torchvision, except for the shortcut's convolution and norm."""
    convolution, norm = resnet_block(block, shortcut="shortcut")
    return convolution.replace("shortcut.0", "conv_down_sample"), norm.replace("shortcut.1", "bn_down_sample")


def _converted_backbone_block(block: str) -> tuple[str, str]:
    convolution, norm = converted_zoo_block(block)
    return f"backbone.{convolution}", f"backbone.{norm}"


def _msra_resnet_block(block: str) -> tuple[str, str]:
    """Maps stem.conv1 -> conv1, res_conv1_bn; stage3.0.conv2 -> res3_0_branch2b, ..._bn; shortcut -> res3_0_branch1."""
    if block == "stem.conv1":
        return "conv1", "res_conv1_bn"
    stage, index, layer = block.split(".")
    branch = {"conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c", "shortcut": "branch1"}[layer]
    name = f"res{stage.removeprefix('stage')}_{index}_{branch}"
    return name, f"{name}_bn"


def _our_block(block: str) -> tuple[str, str]:
    return f"{block}.conv", f"{block}.norm"


FIRST_MOBILENET_BLOCK = {
    "stage2": 1,
    "stage3": 4,
    "stage4": 6,
    "stage5": 12,
}  # numbered 1..13 over the network


def mobilenet_block(block: str) -> tuple[int, str]:
    """Maps stage3.1.depthwise -> 5, depthwise; the stem is block 0."""
    if block == "stem":
        return 0, ""
    stage, index, layer = block.split(".")
    return FIRST_MOBILENET_BLOCK[stage] + int(index), layer


def _tensorflow_mobilenet_block(block: str) -> tuple[str, str]:
    number, layer = mobilenet_block(block)
    name = f"Conv2d_{number}_{layer}" if number else "Conv2d_0"
    return name, name


def _mindcv_mobilenet_block(block: str) -> tuple[str, str]:
    number, layer = mobilenet_block(block)
    if number == 0:
        return "features.0", "features.1"
    # features are convolution, norm, activation, then the blocks: twice (convolution, norm, activation) each
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
ZOO_RESNET = Layout(
    title="MindSpore zoo ResNet",
    block=_zoo_resnet_block,
    norm=MINDSPORE_NORM,
    separator=".",
    dropped=re.compile(rf"end_point\.(weight|bias)|{TRAINING_STATE}"),
)
# what convert_checkpoint.py of the zoo's Faster and Mask R-CNN writes
CONVERTED_ZOO_RESNET = Layout(
    title="MindSpore zoo ResNet after its convert_checkpoint.py",
    block=_converted_backbone_block,
    norm=MINDSPORE_NORM,
    separator=".",
    dropped=ZOO_RESNET.dropped,
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
    norm=NormNames(gamma=None, beta="bias", moving_mean=None, moving_variance=None),
    separator="/",
    dropped=re.compile(r"head/(weight|bias)"),
)
MSRA_RESNET = Layout(
    title="detectron2's MSRA ResNet",
    block=_msra_resnet_block,
    norm=NormNames(gamma="s", beta="b", moving_mean=None, moving_variance=None),
    separator="_",
    # conv1_b: unused in detectron2 as well
    dropped=re.compile(r"(fc1000|pred)_[wb]|conv1_b|.*_momentum"),
    weight="w",
)
OUR_BACKBONE = Layout(
    title="MindRCNN backbone",
    block=_our_block,
    norm=MINDSPORE_NORM,
    separator=".",
    dropped=re.compile(r"mindrcnn\..*"),  # configuration and checksum
)
