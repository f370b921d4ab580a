"""maskrcnn-benchmark, and maskscoring_rcnn, which is built on it."""

import re

from mindrcnn.convert.names.table import MAX_CONVS, NameTable, numbered
from mindrcnn.weights.layouts import TORCH_NORM, Layout, resnet_block


def _block(block: str) -> tuple[str, str]:
    """Maps as for torchvision, with the stem under a prefix."""
    return ("stem.conv1", "stem.bn1") if block == "stem.conv1" else resnet_block(block, shortcut="downsample")


MASKRCNN_BENCHMARK = NameTable(
    prefix="backbone.body.",
    resnet=Layout(
        title="maskrcnn-benchmark ResNet", block=_block, norm=TORCH_NORM, separator=".", dropped=re.compile(r"(?!)")
    ),
    layers={
        **numbered("neck.laterals.#", "backbone.fpn.fpn_inner#", 4, first=1),
        **numbered("neck.outputs.#", "backbone.fpn.fpn_layer#", 4, first=1),
        "rpn.head.conv": "rpn.head.conv",
        "rpn.head.objectness": "rpn.head.cls_logits",
        "rpn.head.deltas": "rpn.head.bbox_pred",
        "box.head.fc1": "roi_heads.box.feature_extractor.fc6",
        "box.head.fc2": "roi_heads.box.feature_extractor.fc7",
        "box.head.class_logits": "roi_heads.box.predictor.cls_score",
        "box.head.deltas": "roi_heads.box.predictor.bbox_pred",
        **numbered("mask.head.convs.#", "roi_heads.mask.feature_extractor.mask_fcn#", MAX_CONVS, first=1),
        "mask.head.upsample": "roi_heads.mask.predictor.conv5_mask",
        "mask.head.mask_logits": "roi_heads.mask.predictor.mask_fcn_logits",
        **numbered("mask.iou_head.convs.#", "roi_heads.maskiou.feature_extractor.maskiou_fcn#", MAX_CONVS, first=1),
        "mask.iou_head.fc1": "roi_heads.maskiou.feature_extractor.maskiou_fc1",
        "mask.iou_head.fc2": "roi_heads.maskiou.feature_extractor.maskiou_fc2",
        "mask.iou_head.iou": "roi_heads.maskiou.predictor.maskiou",
    },
    ignored=re.compile(r".*\.num_batches_tracked|rpn\.anchor_generator\..*"),
)
