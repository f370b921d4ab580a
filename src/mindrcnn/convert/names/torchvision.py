"""torchvision.models.detection from version 0.3 on."""

from dataclasses import replace

from mindrcnn.convert.names.table import MAX_CONVS, NameTable, numbered
from mindrcnn.weights.layouts import TORCHVISION_RESNET

TORCHVISION = NameTable(
    prefix="backbone.body.",
    resnet=TORCHVISION_RESNET,
    layers={
        **numbered("neck.laterals.#", "backbone.fpn.inner_blocks.#.0", 4),
        **numbered("neck.outputs.#", "backbone.fpn.layer_blocks.#.0", 4),
        "rpn.head.conv": "rpn.head.conv.0.0",
        "rpn.head.objectness": "rpn.head.cls_logits",
        "rpn.head.deltas": "rpn.head.bbox_pred",
        "box.head.fc1": "roi_heads.box_head.fc6",
        "box.head.fc2": "roi_heads.box_head.fc7",
        "box.head.class_logits": "roi_heads.box_predictor.cls_score",
        "box.head.deltas": "roi_heads.box_predictor.bbox_pred",
        **numbered("mask.head.convs.#", "roi_heads.mask_head.#.0", MAX_CONVS),
        "mask.head.upsample": "roi_heads.mask_predictor.conv5_mask",
        "mask.head.mask_logits": "roi_heads.mask_predictor.mask_fcn_logits",
    },
    # before 0.14; the published files still use these
    spellings=(
        (r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.(weight|bias)$", r"\1.0.\2"),
        (r"^rpn\.head\.conv\.(weight|bias)$", r"rpn.head.conv.0.0.\1"),
        (r"^roi_heads\.mask_head\.mask_fcn1\.", "roi_heads.mask_head.0.0."),
        (r"^roi_heads\.mask_head\.mask_fcn2\.", "roi_heads.mask_head.1.0."),
        (r"^roi_heads\.mask_head\.mask_fcn3\.", "roi_heads.mask_head.2.0."),
        (r"^roi_heads\.mask_head\.mask_fcn4\.", "roi_heads.mask_head.3.0."),
    ),
)
# fasterrcnn_resnet50_fpn_v2 and maskrcnn_resnet50_fpn_v2: batch norm everywhere, two convolutions in the RPN, and in
# the box head four convolutions, a Flatten and one fully connected layer, which are numbered as one sequence.
TORCHVISION_V2 = replace(
    TORCHVISION,
    layers={
        **{ours: theirs for ours, theirs in TORCHVISION.layers.items() if not ours.startswith("box.head.fc")},
        **numbered("neck.laterals.#.conv", "backbone.fpn.inner_blocks.#.0", 4),
        **numbered("neck.laterals.#.norm", "backbone.fpn.inner_blocks.#.1", 4),
        **numbered("neck.outputs.#.conv", "backbone.fpn.layer_blocks.#.0", 4),
        **numbered("neck.outputs.#.norm", "backbone.fpn.layer_blocks.#.1", 4),
        **numbered("rpn.head.conv.#", "rpn.head.conv.#.0", MAX_CONVS),
        **numbered("box.head.convs.#.conv", "roi_heads.box_head.#.0", 4),
        **numbered("box.head.convs.#.norm", "roi_heads.box_head.#.1", 4),
        "box.head.fc1": "roi_heads.box_head.5",
        **numbered("mask.head.convs.#.conv", "roi_heads.mask_head.#.0", MAX_CONVS),
        **numbered("mask.head.convs.#.norm", "roi_heads.mask_head.#.1", MAX_CONVS),
    },
)
