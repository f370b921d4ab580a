"""The MindSpore model zoo's Mask Scoring R-CNN, which is derived from mmdetection: its names without `roi_head`."""

import re

from mindrcnn.convert.names.mmdet import MMDET
from mindrcnn.convert.names.table import NameTable
from mindrcnn.weights.layouts import MINDSPORE_NORM, TRAINING_STATE, Layout, resnet_block


def _resnet(block: str) -> tuple[str, str]:
    return resnet_block(block, shortcut="downsample")


ZOO_MS_RCNN = NameTable(
    prefix="backbone.",
    resnet=Layout(
        title="zoo ResNet, Mask Scoring R-CNN",
        block=_resnet,
        norm=MINDSPORE_NORM,
        separator=".",
        dropped=re.compile(r"(?!)"),
    ),
    layers={ours: theirs.removeprefix("roi_head.") for ours, theirs in MMDET.layers.items()},
    # the spellings of a shortcut in the ResNets of the model zoo
    spellings=(
        (r"^(backbone\.layer\d\.\d+)\.(?:down_sample|down_sample_layer)\.([01])\.", r"\1.downsample.\2."),
        (r"^(backbone\.layer\d\.\d+)\.conv_down_sample\.", r"\1.downsample.0."),
        (r"^(backbone\.layer\d\.\d+)\.bn_down_sample\.", r"\1.downsample.1."),
    ),
    ignored=re.compile(TRAINING_STATE),
)
