"""detectron2: Faster and Mask R-CNN with FPN, and projects/PointRend."""

import re

from mindrcnn.convert.names.table import MAX_CONVS, NameTable, numbered
from mindrcnn.weights.layouts import TORCH_NORM, Layout


def _block(block: str) -> tuple[str, str]:
    """Maps stem.conv1 -> stem.conv1, stem.conv1.norm; stage3.0.shortcut -> res3.0.shortcut, res3.0.shortcut.norm."""
    name = block.replace("stage", "res")
    return name, f"{name}.norm"


DETECTRON2 = NameTable(
    prefix="backbone.bottom_up.",
    resnet=Layout(title="detectron2 ResNet", block=_block, norm=TORCH_NORM, separator=".", dropped=re.compile(r"(?!)")),
    layers={
        **numbered("neck.laterals.#", "backbone.fpn_lateral#", 4, first=2),
        **numbered("neck.outputs.#", "backbone.fpn_output#", 4, first=2),
        **numbered("neck.laterals.#.conv", "backbone.fpn_lateral#", 4, first=2),
        **numbered("neck.laterals.#.norm", "backbone.fpn_lateral#.norm", 4, first=2),
        **numbered("neck.outputs.#.conv", "backbone.fpn_output#", 4, first=2),
        **numbered("neck.outputs.#.norm", "backbone.fpn_output#.norm", 4, first=2),
        "rpn.head.conv": "proposal_generator.rpn_head.conv",
        **numbered("rpn.head.conv.#", "proposal_generator.rpn_head.conv.conv#", MAX_CONVS),
        "rpn.head.objectness": "proposal_generator.rpn_head.objectness_logits",
        "rpn.head.deltas": "proposal_generator.rpn_head.anchor_deltas",
        **numbered("box.head.convs.#.conv", "roi_heads.box_head.conv#", MAX_CONVS, first=1),
        **numbered("box.head.convs.#.norm", "roi_heads.box_head.conv#.norm", MAX_CONVS, first=1),
        "box.head.fc1": "roi_heads.box_head.fc1",
        "box.head.fc2": "roi_heads.box_head.fc2",
        "box.head.class_logits": "roi_heads.box_predictor.cls_score",
        "box.head.deltas": "roi_heads.box_predictor.bbox_pred",
        **numbered("mask.head.convs.#", "roi_heads.mask_head.mask_fcn#", MAX_CONVS, first=1),
        **numbered("mask.head.convs.#.conv", "roi_heads.mask_head.mask_fcn#", MAX_CONVS, first=1),
        **numbered("mask.head.convs.#.norm", "roi_heads.mask_head.mask_fcn#.norm", MAX_CONVS, first=1),
        "mask.head.upsample": "roi_heads.mask_head.deconv",
        "mask.head.mask_logits": "roi_heads.mask_head.predictor",
        "mask.coarse_head.reduce": "roi_heads.mask_head.coarse_head.reduce_spatial_dim_conv",
        "mask.coarse_head.fc1": "roi_heads.mask_head.coarse_head.fc1",
        "mask.coarse_head.fc2": "roi_heads.mask_head.coarse_head.fc2",
        "mask.coarse_head.prediction": "roi_heads.mask_head.coarse_head.prediction",
        **numbered("mask.point_head.fcs.#", "roi_heads.mask_head.point_head.fc#", MAX_CONVS, first=1),
        "mask.point_head.predictor": "roi_heads.mask_head.point_head.predictor",
    },
    # PointRend before its head was split in two
    spellings=(
        (r"^roi_heads\.mask_coarse_head\.coarse_mask_fc", "roi_heads.mask_head.coarse_head.fc"),
        (r"^roi_heads\.mask_coarse_head\.", "roi_heads.mask_head.coarse_head."),
        (r"^roi_heads\.mask_point_head\.", "roi_heads.mask_head.point_head."),
    ),
    ignored=re.compile(r".*\.num_batches_tracked|pixel_(mean|std)|.*\.anchor_generator\..*"),
)
