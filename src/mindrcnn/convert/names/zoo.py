"""The MindSpore model zoo (mindspore-ai/models, official/cv): Faster R-CNN and Mask R-CNN, ResNet and MobileNetV1."""

import re

from mindrcnn.convert.names.table import NameTable, numbered
from mindrcnn.weights.layouts import MINDSPORE_NORM, Layout, mobilenet_block, resnet_block


def _resnet(block: str) -> tuple[str, str]:
    """Maps as for torchvision, except for the shortcut's convolution and norm."""
    convolution, norm = resnet_block(block, shortcut="shortcut")
    return convolution.replace("shortcut.0", "conv_down_sample"), norm.replace("shortcut.1", "bn_down_sample")


def _mobilenet(block: str) -> tuple[str, str]:
    """Maps to the 27 convolutions, numbered in order, each a sequence of convolution, norm and activation."""
    number, layer = mobilenet_block(block)
    place = 2 * number - (layer == "depthwise")
    return f"mobilenet_v1.network.{place}.0", f"mobilenet_v1.network.{place}.1"


_NOTHING = re.compile(r"(?!)")

ZOO = NameTable(
    prefix="backbone.",
    resnet=Layout(title="zoo ResNet", block=_resnet, norm=MINDSPORE_NORM, separator=".", dropped=_NOTHING),
    mobilenet=Layout(title="zoo MobileNetV1", block=_mobilenet, norm=MINDSPORE_NORM, separator=".", dropped=_NOTHING),
    layers={
        **numbered("neck.laterals.#", "fpn_neck.lateral_convs_list.#", 4),
        **numbered("neck.outputs.#", "fpn_neck.fpn_convs_list.#", 4),
        "rpn.head.conv": "rpn_with_loss.rpn_convs_list.0.rpn_conv",
        "rpn.head.objectness": "rpn_with_loss.rpn_convs_list.0.rpn_cls",
        "rpn.head.deltas": "rpn_with_loss.rpn_convs_list.0.rpn_reg",
        "box.head.fc1": "rcnn.shared_fc_0",
        "box.head.fc2": "rcnn.shared_fc_1",
        "box.head.class_logits": "rcnn.cls_scores",
        "box.head.deltas": "rcnn.reg_scores",
        **numbered("mask.head.convs.#", "rcnn_mask.fpn_mask.mask_conv#", 4, first=1),
        "mask.head.upsample": "rcnn_mask.fpn_mask.mask_deconv5",
        "mask.head.mask_logits": "rcnn_mask.fpn_mask.mask_conv6",
    },
    spellings=(
        (r"^fpn_ncek\.", "fpn_neck."),
        (r"^rcnn_cls\.fpn_cls\.", "rcnn."),
        (r"^rpn_with_loss\.rpn_convs_list\.\d+\.", "rpn_with_loss.rpn_convs_list.0."),  # its five heads share weights
    ),
    ignored=re.compile(
        r"(accum|stat|moments|moment1|moment2)\..*|learning_rate|momentum|global_step|epoch_num|step_num|loss_scale"
        r"|current_iterator_step|last_overflow_iterator_step|scale_sense"
    ),
)
