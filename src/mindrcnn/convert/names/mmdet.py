"""mmdetection 2 and 3: Faster, Mask and Mask Scoring R-CNN, PointRend."""

import re

from mindrcnn.convert.names.table import MAX_CONVS, NameTable, numbered
from mindrcnn.weights.layouts import TORCHVISION_RESNET

MMDET = NameTable(
    prefix="backbone.",
    resnet=TORCHVISION_RESNET,
    layers={
        **numbered("neck.laterals.#", "neck.lateral_convs.#.conv", 4),
        **numbered("neck.outputs.#", "neck.fpn_convs.#.conv", 4),
        **numbered("neck.laterals.#.conv", "neck.lateral_convs.#.conv", 4),
        **numbered("neck.laterals.#.norm", "neck.lateral_convs.#.gn", 4),
        **numbered("neck.outputs.#.conv", "neck.fpn_convs.#.conv", 4),
        **numbered("neck.outputs.#.norm", "neck.fpn_convs.#.gn", 4),
        "rpn.head.conv": "rpn_head.rpn_conv",
        **numbered("rpn.head.conv.#", "rpn_head.rpn_conv.#.conv", MAX_CONVS),
        "rpn.head.objectness": "rpn_head.rpn_cls",
        "rpn.head.deltas": "rpn_head.rpn_reg",
        **numbered("box.head.convs.#.conv", "roi_head.bbox_head.shared_convs.#.conv", MAX_CONVS),
        **numbered("box.head.convs.#.norm", "roi_head.bbox_head.shared_convs.#.gn", MAX_CONVS),
        "box.head.fc1": "roi_head.bbox_head.shared_fcs.0",
        "box.head.fc2": "roi_head.bbox_head.shared_fcs.1",
        "box.head.class_logits": "roi_head.bbox_head.fc_cls",
        "box.head.deltas": "roi_head.bbox_head.fc_reg",
        **numbered("mask.head.convs.#", "roi_head.mask_head.convs.#.conv", MAX_CONVS),
        **numbered("mask.head.convs.#.conv", "roi_head.mask_head.convs.#.conv", MAX_CONVS),
        **numbered("mask.head.convs.#.norm", "roi_head.mask_head.convs.#.gn", MAX_CONVS),
        "mask.head.upsample": "roi_head.mask_head.upsample",
        "mask.head.mask_logits": "roi_head.mask_head.conv_logits",
        **numbered("mask.iou_head.convs.#", "roi_head.mask_iou_head.convs.#", MAX_CONVS),
        "mask.iou_head.fc1": "roi_head.mask_iou_head.fcs.0",
        "mask.iou_head.fc2": "roi_head.mask_iou_head.fcs.1",
        "mask.iou_head.iou": "roi_head.mask_iou_head.fc_mask_iou",
        "mask.coarse_head.reduce": "roi_head.mask_head.downsample_conv.conv",
        "mask.coarse_head.fc1": "roi_head.mask_head.fcs.0",
        "mask.coarse_head.fc2": "roi_head.mask_head.fcs.1",
        "mask.coarse_head.prediction": "roi_head.mask_head.fc_logits",
        **numbered("mask.point_head.fcs.#", "roi_head.point_head.fcs.#.conv", MAX_CONVS),
        "mask.point_head.predictor": "roi_head.point_head.fc_logits",
    },
    # a norm is named for its kind there
    spellings=(
        (r"^(backbone\.(?:layer\d\.\d+\.)?)gn(\d)\.", r"\1bn\2."),
        (r"^((?:neck|roi_head)\..*)\.bn\.", r"\1.gn."),
    ),
    ignored=re.compile(r".*\.num_batches_tracked|data_preprocessor\..*|ema_.*"),
)
