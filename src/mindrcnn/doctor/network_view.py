"""The view of a split that a network has: sizes of objects at its input, and how well its settings fit them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mindrcnn.config.run import Config
from mindrcnn.data.survey import Survey
from mindrcnn.doctor.anchor_fit import best_ious, propose_anchors, sample
from mindrcnn.doctor.input_sizes import SMALL, TINY, InputSizes, input_sizes, propose_inputs

RARE = 20  # objects of a class, below which little is learned
SHOWN = 5  # classes in a line


def network_view(survey: Survey, config: Config) -> dict[str, Any]:
    """Returns the numbers of what the network gets, and proposals as lines of a configuration."""
    data, model = config.data, config.model
    seen = input_sizes(survey, data.buckets, data.short_side, keep_ratio=data.keep_ratio)
    scale = np.sqrt(seen.scale.prod(axis=1))
    boxes = sample(seen.boxes)
    ious = best_ious(boxes, model.anchors.sizes, model.anchors.aspect_ratios)
    counts = survey.per_class
    beyond = np.maximum(survey.slots_per_image - data.max_objects, 0)
    return {
        "object_size": [round(float(one), 2) for one in np.quantile(seen.sides, (0.05, 0.5, 0.95))]
        if len(seen.sides)
        else [],
        f"share_under_{TINY}": seen.share_below(TINY),
        f"share_under_{SMALL}": seen.share_below(SMALL),
        "scale": [round(float(one), 3) for one in np.nanquantile(scale, (0, 0.5, 1))] if len(seen.sides) else [],
        "images_limited_by_bucket": seen.limited,
        "padding": seen.padding,
        "images_in_bucket": [
            {"bucket": list(bucket), "images": int((seen.bucket == place).sum())}
            for place, bucket in enumerate(data.buckets)
        ],
        "objects_below_fg_iou": _share(ious < model.rpn.fg_iou_thresh),
        "objects_below_bg_iou": _share(ious < model.rpn.bg_iou_thresh),
        "objects_beyond_max_objects": int(beyond.sum()),
        "class_imbalance": float(counts.max() / max(counts[counts > 0].min(), 1)) if counts.any() else 0.0,
        "rare_classes": {survey.classes[place]: int(counts[place]) for place in np.flatnonzero(counts < RARE)},
        "proposal": _proposal(survey, config, seen),
    }


def view_text(view: dict[str, Any], config: Config) -> list[str]:
    """Returns the numbers of `network_view` as lines."""
    data, rpn = config.data, config.model.rpn
    lines = ["WHAT THE NETWORK GETS, with the sizes and anchors of the configuration"]
    if view["object_size"]:
        low, middle, high = view["object_size"]
        lines += [
            f"  objects are {low:.0f} to {high:.0f} pixels large (5 to 95 %), {middle:.0f} in the median; "
            f"{view[f'share_under_{TINY}']:.1%} under {TINY}, {view[f'share_under_{SMALL}']:.1%} under {SMALL}",
            f"  images are scaled by {view['scale'][0]:g} to {view['scale'][2]:g}, {view['scale'][1]:g} in the median",
        ]
    if view["images_limited_by_bucket"]:
        lines.append(
            f"  {view['images_limited_by_bucket']} images are smaller than data.short_side {data.short_side} asks for, "
            f"because no bucket of data.buckets holds them"
        )
    buckets = ", ".join(
        f"{height}x{width}: {entry['images']} images"
        for entry in view["images_in_bucket"]
        for height, width in [entry["bucket"]]
    )
    lines += [
        f"  {view['padding']:.1%} of the input is padding ({buckets})",
        f"  {view['objects_below_fg_iou']:.1%} of the objects have no anchor of IoU {rpn.fg_iou_thresh:g} "
        f"(model.rpn.fg_iou_thresh) and train by their best anchor alone; "
        f"{view['objects_below_bg_iou']:.1%} have none of {rpn.bg_iou_thresh:g} (bg_iou_thresh)",
    ]
    if view["objects_beyond_max_objects"]:
        lines.append(
            f"  {view['objects_beyond_max_objects']} objects are beyond the {data.max_objects} of an image that "
            f"data.max_objects allows"
        )
    if view["class_imbalance"] > 1:
        lines.append(f"  the most frequent class has {view['class_imbalance']:.1f} times the objects of the rarest")
    rare = view["rare_classes"]
    if rare:
        shown = ", ".join(f"{name} {count}" for name, count in list(rare.items())[:SHOWN])
        more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
        lines.append(f"  {len(rare)} classes have fewer than {RARE} objects: {shown}{more}")
    if view["proposal"]:
        lines += ["", "PROPOSAL, to paste into the configuration", *view["proposal"]]
    return [*lines, ""]


def _proposal(survey: Survey, config: Config, seen: InputSizes) -> list[str]:
    """Returns lines of YAML with better sizes and anchors, each with its effect; none where little would change."""
    data, model = config.data, config.model
    lines = []
    inputs = propose_inputs(survey, data.buckets, data.short_side) if data.keep_ratio else None
    if inputs is not None:
        short_side, buckets, then = inputs
        before, after = f"{seen.padding:.0%}", f"{then.padding:.0%}"
        lines += [
            "data:",
            f"  short_side: {short_side}  # {_effect(short_side - data.short_side, seen, then)}",
            f"  buckets: {[list(bucket) for bucket in buckets]}  # padding {before} -> {after}",
        ]
        seen = then
    boxes = sample(seen.boxes)
    threshold = model.rpn.fg_iou_thresh
    anchors = propose_anchors(boxes, model.anchors.sizes, model.anchors.aspect_ratios, threshold=threshold)
    if anchors is not None:
        sizes, ratios = anchors
        now = _share(best_ious(boxes, model.anchors.sizes, model.anchors.aspect_ratios) >= threshold)
        then_reached = _share(best_ious(boxes, sizes, ratios) >= threshold)
        lines += [
            "model:",
            f"  anchors:  # {now:.0%} -> {then_reached:.0%} of the objects have an anchor of IoU {threshold:g}",
            f"    sizes: {[round(one) for one in sizes]}",
            f"    aspect_ratios: {list(ratios)}",
        ]
    return lines


def _effect(change: int, seen: InputSizes, then: InputSizes) -> str:
    """Returns what the proposed short side changes."""
    if change > 0:
        return f"{seen.share_below(TINY):.1%} -> {then.share_below(TINY):.1%} of the objects under {TINY} pixels"
    if change < 0:
        before, after = (float(np.nanmedian(one.scale)) for one in (seen, then))
        return f"images enlarged {before:.1f} -> {after:.1f} times, which shows as much in less time"
    return "as it is"


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 0.0
