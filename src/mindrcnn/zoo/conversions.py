"""Conversions of the zoo's values whose counterpart has another form or meaning.

Each takes a value and all values of the file, and returns values by our keys. Wrong kinds of values raise TypeError or
ValueError, which the caller reports with the key.
"""

from __future__ import annotations

import math
from typing import Any

from mindrcnn.zoo.key import Convert, Values

_POINT_REND = ("rcnn_loss_mask_coarse_weight", "rcnn_loss_mask_point_weight", "not_mask")


def has_point_rend(values: Values) -> bool:
    """Says whether a file describes the zoo's PointRend."""
    return any(name in values for name in _POINT_REND)


def canvas(value: Any, values: Values) -> dict[str, Any]:
    """Converts the input's width and height to one bucket."""
    width, height = values.get("img_width", value), values.get("img_height", value)
    return {"data.buckets": [[height, width]], "data.short_side": min(width, height)}


def anchor_sizes(scales_key: str, strides_key: str) -> Convert:
    """Returns the conversion of anchor scales to sizes, scale x stride of each level."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        scales = values[scales_key]
        if len(scales) != 1:
            raise ValueError("one scale for all levels is possible here, so sizes are those of the base file")
        strides = values.get(strides_key, [4, 8, 16, 32, 64])
        return {"model.anchors.sizes": [scales[0] * stride for stride in strides]}

    return convert


def inverse(ours: str) -> Convert:
    """Returns the conversion of standard deviations to weights."""
    return lambda value, values: {ours: [round(1 / deviation, 6) for deviation in value]}


def times(ours: str, factor: float) -> Convert:
    """Returns the conversion that multiplies by a factor."""
    return lambda value, values: {ours: value * factor}


def choice(ours: str, **choices: Any) -> Convert:
    """Returns the conversion of words."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        if str(value).lower() not in choices:
            raise ValueError(f"of {', '.join(choices)} only there is a counterpart")
        return {ours: choices[str(value).lower()]}

    return convert


def switch(ours: str, on: Any, off: Any) -> Convert:
    """Returns the conversion of true and false, or 1 and 0."""
    return lambda value, values: {ours: on if value else off}


def same_as(other: str) -> Convert:
    """Returns the check of a value for which there is one key here, set from the zoo's key `other`."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        if other in values and values[other] != value:
            raise ValueError(f"one value for both here, that of {other}")
        return {}

    return convert


def at_least(other: str) -> Convert:
    """Returns the check of a limit that has no effect beside that of the zoo's key `other`."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        if other in values and value < values[other]:
            raise ValueError(f"no limit of its own here, only that of {other}")
        return {}

    return convert


def samples(section: str, *, positives: str, total: str) -> Convert:
    """Returns the conversion of two numbers of samples to a total and a share."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        count = values.get(total, 0)
        result: dict[str, Any] = {}
        if count:
            result[f"model.{section}.batch_size_per_image"] = count
        if count and positives in values:
            result[f"model.{section}.positive_fraction"] = values[positives] / count
        return result

    return convert


def expansion(value: Any, values: Values) -> dict[str, Any]:
    """Converts the probability of expansion: the zoo's Expand leaves every second image that it is given as it is."""
    return {"data.augment.expand_prob": value / 2}


def foreground(value: Any, values: Values) -> dict[str, Any]:
    """Converts the list of classes: the zoo's begins with the background."""
    names = [str(name) for name in value]
    return {"data.classes": names[1:] if names[:1] == ["background"] else names}


def length(value: Any, values: Values) -> dict[str, Any]:
    """Converts the number of epochs; the flat files' cosine is drawn over more epochs than are trained."""
    result = {"train.schedule.length": value}
    if "base_lr" in values and str(values.get("lr_type", "dynamic")) == "dynamic":
        total = values.get("total_epoch", value + 1)
        result["train.schedule.final_ratio"] = round((1 + math.cos(math.pi * min(value / total, 1))) / 2, 4)
    return result


def rate(value: Any, values: Values) -> dict[str, Any]:
    """Converts the learning rate, which the zoo uses as it stands for any batch."""
    return {"train.schedule.base_lr": value, "train.schedule.scale_lr": False}


def least_rate(value: Any, values: Values) -> dict[str, Any]:
    """Converts the least learning rate: that of a cosine is where it ends."""
    if _kind(values) == "multistep":
        return {"train.schedule.min_lr": value}
    if "lr" not in values:
        raise ValueError("a fraction of lr, which is not given")
    return {"train.schedule.final_ratio": value / values["lr"]}


def milestones(value: Any, values: Values) -> dict[str, Any]:
    """Converts the epochs at which the rate drops, which a cosine does not use."""
    return {"train.schedule.milestones": list(value)} if _kind(values) == "multistep" else {}


def _kind(values: Values) -> Any:
    """Returns the schedule; a file without its key is one of the flat ones with a cosine, or a nested one without."""
    return values.get("lr_type", "dynamic" if "base_lr" in values else "multistep")


def static_scale(value: Any, values: Values) -> dict[str, Any]:
    """Converts a constant loss scale; 1 is none."""
    return {"train.loss_scale": {"type": "static", "scale": value} if value > 1 else None}


def negatives(ours: str) -> Convert:
    """Returns the conversion of the most negatives for each positive, of which -1 there is 0 here."""
    return lambda value, values: {ours: max(value, 0)}


def clipping(value: Any, values: Values) -> dict[str, Any]:
    """Converts the norm of gradient clipping, where 0 and false switch it off."""
    if value is True:
        raise ValueError("give the largest norm as train.optimizer.clip_norm")
    return {"train.optimizer.clip_norm": value or 0}


def evaluation(value: Any, values: Values) -> dict[str, Any]:
    """Converts the interval of evaluation, which `run_eval` switches off."""
    return {"train.eval_every": value} if values.get("run_eval", True) else {}


def annotation_pattern(value: Any, values: Values) -> dict[str, Any]:
    """Converts the pattern of annotation files; the usual one is found by the split's name."""
    if value == "annotations/instances_{}.json":
        return {}
    result = {}
    for split, key in (("train", "train_data_type"), ("val", "val_data_type")):
        name = str(values.get(key, f"{split}2017"))
        result[f"data.{split}.annotations"] = value.replace("{}", name)
        result[f"data.{split}.images"] = name
    return result


def unless_empty(ours: str) -> Convert:
    """Returns the conversion of a text, of which an empty one leaves what the base file has."""
    return lambda value, values: {ours: value} if value else {}


def folder(split: str) -> Convert:
    """Returns the conversion of a split's folder with labels.json and data/."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        if not value:
            return {}
        path = value.rstrip("/")
        return {f"data.{split}.annotations": f"{path}/labels.json", f"data.{split}.images": f"{path}/data"}

    return convert


def text_list(value: Any, values: Values) -> dict[str, Any]:
    """Converts the zoo's own list of boxes."""
    if not values.get("anno_path"):
        return {}
    paths = {"data.train.annotations": values["anno_path"], "data.train.images": values.get("image_dir", "")}
    return {"data.train.format": "txt", **paths}


def with_mask_rcnn(ours: str) -> Convert:
    """Returns the conversion of a key of Mask R-CNN's branch, which the PointRend files have as well."""

    def convert(value: Any, values: Values) -> dict[str, Any]:
        return {} if has_point_rend(values) else {ours: value}

    return convert


def side_of_masks(value: Any, values: Values) -> dict[str, Any]:
    """Converts the side of predicted masks to that of the pooled feature."""
    side = value[0] if isinstance(value, list | tuple) else value
    return {} if has_point_rend(values) else {"model.mask.resolution": side // 2}


def logit(ours: str) -> Convert:
    """Returns the conversion of a probability to its logit."""
    return lambda value, values: {ours: round(math.log(value / (1 - value)), 6)}


def flat_backbone(value: Any, values: Values) -> dict[str, Any]:
    """Converts the name of a backbone; resnet_v1.5 has its stride in the 3x3 convolution."""
    version, _, depth = str(value).removeprefix("resnet_").rpartition("_")
    if version not in ("v1", "v1.5") or depth not in ("50", "101"):
        raise ValueError("ResNet-50 and 101 only; the base file's backbone is kept")
    return {"model.backbone.name": f"resnet{depth}"}


def blocks(value: Any, values: Values) -> dict[str, Any]:
    """Converts the numbers of blocks of a ResNet's stages to its name."""
    names = {(3, 4, 6, 3): "resnet50", (3, 4, 23, 3): "resnet101"}
    if tuple(value) not in names:
        raise ValueError("ResNet-50 and 101 only; the base file's backbone is kept")
    return {"model.backbone.name": names[tuple(value)]}


def depth(value: Any, values: Values) -> dict[str, Any]:
    """Converts the depth of a ResNet to its name."""
    if value not in (50, 101):
        raise ValueError("ResNet-50 and 101 only; the base file's backbone is kept")
    return {"model.backbone.name": f"resnet{value}"}


def frozen(value: Any, values: Values) -> dict[str, Any]:
    """Converts the number of frozen stages: the stem counts here, and -1 there freezes nothing."""
    return {"model.backbone.frozen_stages": value + 1}


def boolean_indexing(value: Any, values: Values) -> dict[str, Any]:
    """Converts PointRend's second version."""
    return {"model.mask.dynamic": True, "device.mode": "pynative"} if value else {}
