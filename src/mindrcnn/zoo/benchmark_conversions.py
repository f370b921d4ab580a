"""Conversions of maskrcnn-benchmark's values whose counterpart has another form or meaning; as in conversions.py."""

from __future__ import annotations

from typing import Any

from mindrcnn.zoo.key import Convert, Values

_STRIDE = 32  # of which the sides of an input are multiples
_CATALOG = {"R-50": "detectron2/msra_r50", "R-101": "detectron2/msra_r101"}
_SHORT_SIDE = 800  # maskrcnn-benchmark's own defaults
_LONG_SIDE = 1333
_DEVICE_IMAGES = 2
_BOX_CONVOLUTIONS = "FPNXconv1fcFeatureExtractor"
_SPLITS = {  # of COCO, by the names that its list of data sets gives to them
    frozenset({"coco_2014_train", "coco_2014_valminusminival"}): "train2017",
    frozenset({"coco_2017_train"}): "train2017",
    frozenset({"coco_2014_minival"}): "val2017",
    frozenset({"coco_2017_val"}): "val2017",
}


def input_weights(value: Any, values: Values) -> dict[str, Any]:
    """Converts the weights to start from: those of its list of ImageNet weights have names here."""
    if not value:
        return {}
    name = _CATALOG.get(str(value).removeprefix("catalog://ImageNetPretrained/MSRA/"))
    if name is None:
        raise ValueError(
            "give a backbone's file as model.backbone.weights, a detector's through `mindrcnn convert` as "
            "train.init_checkpoint"
        )
    return {"model.backbone.weights": name}


def backbone(value: Any, values: Values) -> dict[str, Any]:
    """Converts the name of a backbone."""
    names = {"R-50-FPN": "resnet50", "R-101-FPN": "resnet101"}
    if value not in names:
        raise ValueError("ResNet-50 and 101 with a pyramid only; the base file's backbone is kept")
    return {"model.backbone.name": names[value]}


def straddling(value: Any, values: Values) -> dict[str, Any]:
    """Checks that anchors across the border train."""
    if value >= 0:
        raise ValueError("anchors across the border train too, always")
    return {}


def shared_proposals(value: Any, values: Values) -> dict[str, Any]:
    """Converts the number of proposals in training, which the images of a device share unless told otherwise."""
    shared = values.get("MODEL.RPN.FPN_POST_NMS_PER_BATCH", True)
    return {"model.rpn.post_nms_topk.train": value // _DEVICE_IMAGES if shared else value}


def has_masks(values: Values) -> bool:
    """Says whether a file describes a Mask R-CNN."""
    return bool(values.get("MODEL.MASK_ON", False))


def of_masks(ours: str) -> Convert:
    """Returns the conversion of a key of the mask branch, which a Faster R-CNN's file may have as well."""
    return lambda value, values: {ours: value} if has_masks(values) else {}


def convolutions(value: Any, values: Values) -> dict[str, Any]:
    """Converts the widths of the mask branch's convolutions."""
    if not has_masks(values):
        return {}
    if len(set(value)) != 1:
        raise ValueError("the convolutions have one width here")
    return {"model.mask.num_convs": len(value), "model.mask.channels": value[0]}


def mask_side(value: Any, values: Values) -> dict[str, Any]:
    """Converts the side of predicted masks to that of the pooled feature."""
    if not has_masks(values):
        return {}
    return {"model.mask.resolution": value // 2}


def mask_norm(value: Any, values: Values) -> dict[str, Any]:
    """Converts the norm of the mask branch's convolutions."""
    if not has_masks(values):
        return {}
    return {"model.mask.norm": "group" if value else "none"}


def box_extractor(value: Any, values: Values) -> dict[str, Any]:
    """Converts the layers of the box branch; its convolutions have a norm here."""
    if value == "FPN2MLPFeatureExtractor":
        return {}
    if value != _BOX_CONVOLUTIONS:
        raise ValueError(f"FPN2MLPFeatureExtractor and {_BOX_CONVOLUTIONS} only")
    if not values.get("MODEL.ROI_BOX_HEAD.USE_GN"):
        raise ValueError("convolutions without a norm are not possible here")
    return {"model.box.num_convs": values.get("MODEL.ROI_BOX_HEAD.NUM_STACKED_CONVS", 4), "model.box.num_fcs": 1}


def box_norm(value: Any, values: Values) -> dict[str, Any]:
    """Converts the norm of the box branch."""
    if not value:
        return {}
    if not _has_box_convolutions(values):
        raise ValueError("fully connected layers have no norm here")
    return {"model.box.norm": "group"}


def of_box_convs(ours: str) -> Convert:
    """Returns the conversion of a key of the box branch's convolutions, which other files may have as well."""
    return lambda value, values: {ours: value} if _has_box_convolutions(values) else {}


def _has_box_convolutions(values: Values) -> bool:
    extractor = values.get("MODEL.ROI_BOX_HEAD.FEATURE_EXTRACTOR")
    return extractor == _BOX_CONVOLUTIONS and bool(values.get("MODEL.ROI_BOX_HEAD.USE_GN"))


def short_sides(value: Any, values: Values) -> dict[str, Any]:
    """Converts the short sides to train with."""
    sides = _list(value)
    one = sides == [values.get("INPUT.MIN_SIZE_TEST", _SHORT_SIDE)]
    return {"data.augment.short_sides": [] if one else sides} | _buckets(values)


def buckets(value: Any, values: Values) -> dict[str, Any]:
    """Converts the limit of the long side to two inputs, lying and standing."""
    return _buckets(values)


def _buckets(values: Values) -> dict[str, Any]:
    short = [*_list(values.get("INPUT.MIN_SIZE_TRAIN", _SHORT_SIDE)), values.get("INPUT.MIN_SIZE_TEST", _SHORT_SIDE)]
    longest = max(values.get(f"INPUT.MAX_SIZE_{when}", _LONG_SIDE) for when in ("TRAIN", "TEST"))
    height, width = (-(-side // _STRIDE) * _STRIDE for side in (max(short), longest))
    return {"data.buckets": [[height, width], [width, height]] if height != width else [[height, width]]}


def jitter(value: Any, values: Values) -> dict[str, Any]:
    """Converts the ranges of brightness, contrast, saturation and hue to the probability of changing all of them."""
    names = ("BRIGHTNESS", "CONTRAST", "SATURATION", "HUE")
    return {"data.augment.photometric_prob": float(any(values.get(f"INPUT.{name}", 0) for name in names))}


def split(which: str) -> Convert:
    """Returns the conversion of the names of data sets to that of a split."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        if not value:
            return {}
        name = _SPLITS.get(frozenset(_list(value)))
        if name is None:
            raise ValueError(f"give data.{which}.annotations and data.{which}.images")
        return {f"data.{which}.name": name}

    return convert


def iterations(value: Any, values: Values) -> dict[str, Any]:
    """Converts the number of steps."""
    return {"train.schedule.unit": "iteration", "train.schedule.length": value}


def bias_rate(value: Any, values: Values) -> dict[str, Any]:
    """Checks that biases have the learning rate of the weights."""
    if value != 1:
        raise ValueError("biases have the learning rate of the weights; parameters are grouped by how names begin")
    return {}


def bias_decay(value: Any, values: Values) -> dict[str, Any]:
    """Converts the weight decay of biases, which is that of the weights or none."""
    if value and value != values.get("SOLVER.WEIGHT_DECAY", value):
        raise ValueError("that of the weights or 0")
    return {"train.optimizer.decay_norm_and_bias": bool(value)}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
