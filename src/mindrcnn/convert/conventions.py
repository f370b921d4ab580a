"""Configuration that each library's weights require, one switch a line.

Keys are those under `model` in a configuration. A key that is not listed keeps its default, detectron2's convention.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RGB = {"channel_order": "rgb", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
BGR = {"channel_order": "bgr", "mean": [103.53, 116.28, 123.675], "std": [1.0, 1.0, 1.0]}
BGR_CAFFE2 = {"channel_order": "bgr", "mean": [102.9801, 115.9465, 122.7717], "std": [1.0, 1.0, 1.0]}
ONE_NINTH = 1 / 9  # beta of the smooth L1 loss in Detectron's RPN

# Style of the backbone: that of pytorch's ImageNet weights, or of caffe's.
PYTORCH_STYLE = {"pixel": RGB, "backbone": {"stride_in": "3x3"}}
CAFFE_STYLE = {"pixel": BGR, "backbone": {"stride_in": "1x1"}}
# mmdetection's models from Detectron's weights with group norm.
BGR_STYLE = {"pixel": BGR, "backbone": {"stride_in": "3x3"}}
STYLES: Mapping[str, Mapping[str, Any]] = {"pytorch": PYTORCH_STYLE, "pytorch, bgr": BGR_STYLE, "caffe": CAFFE_STYLE}

SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "torchvision": {
        "pixel": RGB,
        "backbone": {"stride_in": "3x3", "norm": "frozen", "frozen_stages": 2},
        "anchors": {"rounded": True},
        "rpn": {
            "pre_nms_topk": {"train": 2000, "test": 1000},
            "post_nms_topk": {"train": 2000, "test": 1000},
            "min_size": 1e-3,
            "normalizer": "sampled",
            "smooth_l1_beta": ONE_NINTH,
        },
        "roi_align": {"aligned": False, "sampling_ratio": 2},
        "box": {"smooth_l1_beta": ONE_NINTH},
    },
    "detectron2": {
        "pixel": BGR,
        "backbone": {"stride_in": "1x1", "norm": "frozen", "frozen_stages": 2},
        "roi_align": {"aligned": True, "sampling_ratio": 0},
    },
    "mmdet": {
        "backbone": {"frozen_stages": 2},
        "rpn": {"normalizer": "sampled", "low_quality": "overwrite", "low_quality_min_iou": 0.3},
        "roi_sampling": {"gt_after_assignment": True},
        "roi_align": {"aligned": True, "sampling_ratio": 0},
    },
    "maskrcnn-benchmark": {
        "pixel": BGR_CAFFE2,
        "backbone": {"stride_in": "1x1", "norm": "frozen", "frozen_stages": 2},
        "anchors": {"rounded": True},
        "rpn": {
            "post_nms_topk": {"train": 2000, "test": 1000},
            "normalizer": "sampled",
            "smooth_l1_beta": ONE_NINTH,
        },
        "roi_align": {"aligned": False, "sampling_ratio": 2},
        "box": {"smooth_l1_beta": 1.0},
    },
    "mindspore-zoo": {
        "pixel": RGB,
        "backbone": {"stride_in": "3x3", "norm": "frozen", "frozen_stages": 2},
        "anchors": {"rounded": True},
        "rpn": {
            "post_nms_topk": {"train": 2000, "test": 1000},
            "low_quality": "overwrite",
            "low_quality_min_iou": 0.3,
            "smooth_l1_beta": ONE_NINTH,
        },
        "roi_sampling": {"low_quality": "overwrite", "low_quality_min_iou": 0.5, "gt_after_assignment": True},
        "roi_align": {"aligned": False, "sampling_ratio": 2},
        "box": {"smooth_l1_beta": 1.0, "detections_per_image": 128},
    },
}
# The model zoo's Mask Scoring R-CNN is derived from mmdetection, but samples ROIAlign and masks as listed here.
MS_RCNN_VARIANT = "mindspore-zoo, Mask Scoring R-CNN"
SWITCHES = {
    **SWITCHES,
    MS_RCNN_VARIANT: {
        **SWITCHES["mmdet"],
        "backbone": {"norm": "frozen", "frozen_stages": 2},
        "rpn": {**SWITCHES["mmdet"]["rpn"], "post_nms_topk": {"train": 1000, "test": 1000}},
    },
}
# Models with group norm have the stride where PyTorch has it.
GROUP_NORM: Mapping[str, Mapping[str, Any]] = {"backbone": {"norm": "group", "stride_in": "3x3"}}
# In addition to SWITCHES, by type of the mask branch.
MASK_SWITCHES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("mmdet", "mask_rcnn"): {"roi_sampling": {"low_quality": "overwrite", "low_quality_min_iou": 0.5}},
    ("mmdet", "ms_rcnn"): {
        "roi_sampling": {"low_quality": "overwrite", "low_quality_min_iou": 0.5},
        "mask": {"iou_mask_logit_thresh": 0.5, "iou_area_eps": 1e-7},
    },
    (MS_RCNN_VARIANT, "ms_rcnn"): {
        "roi_sampling": {"low_quality": "overwrite", "low_quality_min_iou": 0.5},
        "mask": {"iou_weight": 1.0, "iou_area_eps": 1e-7},
    },
    ("mmdet", "point_rend"): {"roi_sampling": {"low_quality": "overwrite", "low_quality_min_iou": 0.5}},
    ("detectron2", "point_rend"): {"box": {"train_on_pred_boxes": True}},
}
# Style of mmdetection's published configurations by type of the mask branch; pytorch for the others.
MMDET_STYLE = {"ms_rcnn": "caffe", "point_rend": "caffe"}
# mmdetection's published configurations train the scale and shift of the norms in pytorch style only.
MMDET_NORM: Mapping[str, Mapping[str, Any]] = {
    "pytorch": {"backbone": {"norm": "frozen_statistics"}},
    "pytorch, bgr": {"backbone": {"norm": "frozen_statistics"}},
    "caffe": {"backbone": {"norm": "frozen"}},
}
# The zoo's MobileNetV1 trains its norms; its pixels are those of the other models.
ZOO_MOBILENET = {"backbone": {"norm": "batch", "frozen_stages": 0}}

LEGACY = "box sizes with +1 and anchors centred on (w - 1) / 2: boxes may be shifted by up to half a pixel"
NOT_REPRESENTED: Mapping[str, tuple[str, ...]] = {"maskrcnn-benchmark": (LEGACY,), "mindspore-zoo": (LEGACY,)}
ZOO_RESNET = "the zoo's ResNet pads its first pooling at the end of the map, ours at the start: a shift of one pixel"
ZOO_MASKS = "the pyramid of the zoo's Mask R-CNN upsamples bilinearly, ours takes the nearest neighbour"

# For backbones that are imported without a detector, by title of their layout.
BACKBONE_SWITCHES: Mapping[str, Mapping[str, Any]] = {
    "torchvision ResNet": PYTORCH_STYLE,
    "mindcv ResNet": PYTORCH_STYLE,
    "MindSpore zoo ResNet": PYTORCH_STYLE,
    "MindSpore zoo ResNet after its convert_checkpoint.py": PYTORCH_STYLE,
    "detectron2's MSRA ResNet": CAFFE_STYLE,
    "mindcv MobileNetV1": {"pixel": RGB},
    "TensorFlow MobileNetV1 with folded batch norm": {
        "pixel": {"channel_order": "rgb", "mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5]},
        "backbone": {"norm": "frozen"},
    },
}


def merge_trees(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Merges nested mappings; later ones take precedence."""
    result: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merge_trees(result[key], value) if both else value
    return result
