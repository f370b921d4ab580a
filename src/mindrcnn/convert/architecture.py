"""Recognition of the model that a file's names and shapes describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindrcnn.convert.families import Entry, Family
from mindrcnn.convert.names.table import MAX_CONVS
from mindrcnn.errors import InputError

# Number of blocks at stride 16 -> backbone; the other stages are the same in both.
RESNETS = {6: "resnet50", 23: "resnet101"}
MOST_BLOCKS = 64


@dataclass(frozen=True)
class Architecture:
    """A model and its size.

    Attributes:
        model: keys under `model` in a configuration.
        classes: number of classes, without the background.
    """

    model: dict[str, Any]
    classes: int

    @property
    def backbone(self) -> str:
        return str(self.model["backbone"]["name"])

    @property
    def mask_type(self) -> str:
        """Type of the mask branch; empty without one."""
        mask = self.model["mask"]
        return str(mask["type"]) if mask else ""

    def __str__(self) -> str:
        kind = {"": "Faster R-CNN", "mask_rcnn": "Mask R-CNN", "ms_rcnn": "Mask Scoring R-CNN"}
        return f"{kind.get(self.mask_type, 'PointRend')}, {self.backbone}, {self.classes} classes"


class Probe:
    """The shapes of a file's parameters under our names."""

    def __init__(self, *, path: Path, family: Family, entries: Mapping[str, Entry]) -> None:
        self.path = path
        self.family = family
        self.entries = entries

    def shape(self, ours: str) -> tuple[int, ...] | None:
        """Returns the shape that the file has for our parameter, with dense layers as (outputs, inputs)."""
        source = self.family.table.source(ours)
        if source is None or source not in self.entries:
            return None
        shape = tuple(self.entries[source].value.shape)
        return shape[::-1] if self.family.transposed.fullmatch(ours) else shape

    def outputs(self, ours: str, part: str) -> int:
        """Returns the number of outputs of a layer, given its weight or bias. Raises InputError if it is missing."""
        outputs, *_ = self.require(ours, part)
        return outputs

    def require(self, ours: str, part: str) -> tuple[int, ...]:
        """Returns the shape. Raises InputError, which names the model's part, if the file has no such parameter."""
        shape = self.shape(ours)
        if not shape:
            raise InputError(
                f"{self.path}: wanted a Faster or Mask R-CNN with a feature pyramid, named as in {self.family.name}; "
                f"it has no {part} ({self.family.table.source(ours)})"
            )
        return shape

    def count(self, ours: str, limit: int) -> int:
        """Counts the parameters named `ours` with 0, 1, 2, ... in place of #."""
        return next((i for i in range(limit) if self.shape(ours.replace("#", str(i))) is None), limit)


def describe(probe: Probe) -> Architecture:
    """Recognises the model in the file. Raises InputError for one that this package does not have."""
    classes = probe.outputs("box.head.class_logits.bias", "box head") - 1
    anchors = probe.outputs("rpn.head.objectness.bias", "region proposal network")
    if anchors != 3:
        raise InputError(f"{probe.path}: wanted 3 anchor shapes in each cell, got {anchors}")
    laterals = (probe.shape(f"neck.laterals.{i}.weight") for i in range(4))
    channels = next((channels for channels, *_ in filter(None, laterals)), 256)
    model: dict[str, Any] = {
        "backbone": {"name": _backbone(probe)} | group_norm(probe, "backbone.stem.conv1.norm"),
        "fpn": {"out_channels": channels} | head_norm(probe, "neck.laterals.3.norm"),
        "rpn": {"num_convs": probe.count("rpn.head.conv.#.weight", MAX_CONVS) or 1},
        "box": describe_box(probe),
        "mask": _mask(probe),
    }
    return Architecture(model=model, classes=classes)


def _backbone(probe: Probe) -> str:
    if probe.family.table.mobilenet is not None and probe.shape("backbone.stem.conv.weight"):
        return "mobilenet_v1"
    blocks = probe.count("backbone.stage4.#.conv3.conv.weight", MOST_BLOCKS)
    if blocks not in RESNETS:
        wanted = " or ".join(f"{count} ({name})" for count, name in RESNETS.items())
        raise InputError(f"{probe.path}: wanted a ResNet with {wanted} bottlenecks at stride 16, got {blocks}")
    return RESNETS[blocks]


def has_group_norm(probe: Probe, ours: str) -> bool:
    """Says whether the norm of that name is there and has no statistics."""
    return probe.shape(f"{ours}.gamma") is not None and probe.shape(f"{ours}.moving_mean") is None


def group_norm(probe: Probe, ours: str) -> dict[str, Any]:
    """Returns the key of a backbone with group norm; nothing for another, whose norm the library decides."""
    return {"norm": "group"} if has_group_norm(probe, ours) else {}


def head_norm(probe: Probe, ours: str) -> dict[str, Any]:
    """Returns the key of a part with norms, in which batch norm keeps its statistics; nothing for one without."""
    if probe.shape(f"{ours}.gamma") is None:
        return {}
    return {"norm": "group" if has_group_norm(probe, ours) else "frozen"}


def describe_box(probe: Probe) -> dict[str, Any]:
    """Returns the keys of the box head; those of its convolutions only if it has any."""
    box: dict[str, Any] = {"fc_channels": probe.outputs("box.head.fc1.weight", "box head")}
    convs = probe.count("box.head.convs.#.conv.weight", MAX_CONVS)
    if convs:
        box["num_convs"] = convs
        box["conv_channels"] = probe.outputs("box.head.convs.0.conv.weight", "box head")
        box |= head_norm(probe, "box.head.convs.0.norm")
        box["num_fcs"] = 1 if probe.shape("box.head.fc2.weight") is None else 2
    return box


def _mask(probe: Probe) -> dict[str, Any] | None:
    if probe.shape("mask.point_head.predictor.weight"):
        fc_channels = probe.outputs("mask.coarse_head.fc1.weight", "coarse mask head")
        point_layers = probe.count("mask.point_head.fcs.#.weight", MAX_CONVS)
        return {
            "type": "point_rend",
            "fc_channels": fc_channels,
            "point_layers": point_layers,
            "point_channels": probe.outputs("mask.point_head.fcs.0.weight", "point head"),
        }
    if not probe.shape("mask.head.mask_logits.bias"):
        return None
    mask = {
        "type": "mask_rcnn",
        "num_convs": probe.count("mask.head.convs.#.weight", MAX_CONVS),
        "channels": probe.outputs("mask.head.upsample.bias", "mask upsampling"),
        **head_norm(probe, "mask.head.convs.0.norm"),
    }
    if probe.shape("mask.iou_head.iou.bias"):
        mask["type"] = "ms_rcnn"
        mask["iou_num_convs"] = probe.count("mask.iou_head.convs.#.weight", MAX_CONVS)
        mask["iou_channels"] = probe.outputs("mask.iou_head.convs.0.bias", "IoU head")
        mask["iou_fc_channels"] = probe.outputs("mask.iou_head.fc1.bias", "IoU head")
    return mask
