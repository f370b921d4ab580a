"""The packaged recipe that a migrated configuration starts from: what the zoo fixes in its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mindrcnn.zoo.benchmark_conversions import has_masks
from mindrcnn.zoo.conversions import has_point_rend

_MASK = ("rcnn_loss_mask_fb_weight", "rcnn_mask_out_channels", "mask_shape", "roi_layer.mask_out_size")
_MOBILENET = [128, 256, 512, 1024]  # channels of its stages
_DEPTHS = {(3, 4, 6, 3): 50, (3, 4, 23, 3): 101}

BENCHMARK = "MODEL.BACKBONE.CONV_BODY"  # which every file of maskrcnn-benchmark has, and none of detectron2


def choose_bases(values: Mapping[str, Any]) -> list[str]:
    """Returns the packaged files that fit the model of a zoo file, for the key `base`; later ones win."""
    if BENCHMARK in values:
        masks = [] if has_masks(values) else ["_base_/faster_rcnn.yaml"]
        return [f"configs/{name}" for name in ["zoo/mask_rcnn_r101.yaml", *masks]]
    if any("." in name and name.split(".")[0] in ("bbox_head", "train_cfg", "backbone") for name in values):
        return [f"configs/{name}" for name in _nested(values)]
    return [f"configs/{name}" for name in _flat(values)]


def _nested(values: Mapping[str, Any]) -> list[str]:
    depth = 101 if values.get("backbone.depth") == 101 else 50
    style = "_caffe" if values.get("backbone.style", "caffe") == "caffe" else ""
    bases = ["zoo/ms_rcnn_r50.yaml", f"_base_/resnet{depth}{style}_fpn.yaml"]
    if _has(values, "mask_iou_head"):
        return bases
    if _has(values, "mask_head"):
        return [*bases, "_base_/mask_rcnn.yaml"]
    return ["zoo/faster_rcnn_r50.yaml", bases[1]]


def _flat(values: Mapping[str, Any]) -> list[str]:
    depth = _DEPTHS.get(tuple(_list(values.get("resnet_block"))), 50)
    if str(values.get("backbone", "")).endswith("_101"):
        depth = 101
    deeper = ["_base_/resnet101_fpn.yaml"] if depth == 101 else []
    if has_point_rend(values):
        return ["zoo/point_rend_r50.yaml", *deeper]
    if not any(name in values for name in _MASK):
        return ["zoo/faster_rcnn_r50.yaml", *deeper]
    if _list(values.get("fpn_in_channels")) == _MOBILENET:
        return ["zoo/mask_rcnn_mobilenet_v1.yaml"]
    return ["zoo/mask_rcnn_r50.yaml", *deeper]


def _has(values: Mapping[str, Any], section: str) -> bool:
    return any(name.startswith(f"{section}.") for name in values)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
