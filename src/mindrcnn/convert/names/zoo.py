"""The MindSpore model zoo: Faster R-CNN, Mask R-CNN (official/cv) and PointRend, ResNet and MobileNetV1."""

import re

from mindrcnn.convert.names.table import MAX_CONVS, NameTable, numbered
from mindrcnn.weights.layouts import MINDSPORE_NORM, TRAINING_STATE, Layout, converted_zoo_block, mobilenet_block


def _mobilenet(block: str) -> tuple[str, str]:
    """Maps to the 27 convolutions, numbered in order, each a sequence of convolution, norm and activation."""
    number, layer = mobilenet_block(block)
    place = 2 * number - (layer == "depthwise")
    return f"mobilenet_v1.network.{place}.0", f"mobilenet_v1.network.{place}.1"


_NOTHING = re.compile(r"(?!)")

ZOO = NameTable(
    prefix="backbone.",
    resnet=Layout(title="zoo ResNet", block=converted_zoo_block, norm=MINDSPORE_NORM, separator=".", dropped=_NOTHING),
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
        "mask.coarse_head.reduce": "mask_coarse_head.reduce_spatial_dim_conv",
        "mask.coarse_head.fc1": "mask_coarse_head.fcs_seq.0",
        "mask.coarse_head.fc2": "mask_coarse_head.fcs_seq.1",
        "mask.coarse_head.prediction": "mask_coarse_head.prediction",
        **numbered("mask.point_head.fcs.#", "mask_point_head.seq.#", MAX_CONVS),
        "mask.point_head.predictor": "mask_point_head.predictor",
    },
    spellings=(
        (r"^fpn_ncek\.", "fpn_neck."),
        (r"^rcnn_cls\.fpn_cls\.", "rcnn."),
        (r"^mask_coarse_head\.conv_seq\.0\.", "mask_coarse_head.reduce_spatial_dim_conv."),
        (r"^rpn_with_loss\.rpn_convs_list\.\d+\.", "rpn_with_loss.rpn_convs_list.0."),  # its five heads share weights
    ),
    # rcnn_mask: of no use in PointRend, which inherits it from Mask R-CNN
    ignored=re.compile(rf"{TRAINING_STATE}|rcnn_mask\..*"),
)
