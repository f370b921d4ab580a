"""The project's performance targets, and whether a run's results reach them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.case import CHANNELS_LAST, MINDRCNN, OPENVINO, TORCHVISION, Side
from benchmarks.measure import CaseResult
from benchmarks.ratios import Ratio, ratio

WHOLE, MODEL_ALONE = "total", "model alone"


@dataclass(frozen=True)
class Target:
    """The wanted and the allowed maximum of one measure of a case.

    time, memory: this package / the rival. compile: seconds. compile growth: compile time over that of case
        `against`. pipeline: time of the whole evaluation over that of the model alone.
    """

    what: str
    case: str
    measure: Literal["time", "memory", "compile", "compile growth", "pipeline"]
    wanted: float
    required: float
    against: str = ""
    rival: Side = TORCHVISION


# Compile times differ by a few per cent from run to run.
NO_LONGER = 1.1

TARGETS = (
    Target("inference, Mask R-CNN, 512x512", "inference/mask_rcnn/512x512/batch1", "time", 0.60, 0.80),
    Target("inference, Mask R-CNN, 800x1344", "inference/mask_rcnn/800x1344/batch1", "time", 0.70, 0.90),
    Target("training step, Mask R-CNN, 512x512", "training/mask_rcnn/512x512/batch1", "time", 0.55, 0.75),
    Target("training step, Mask R-CNN, 800x1344", "training/mask_rcnn/800x1344/batch1", "time", 0.65, 0.85),
    Target("inference, Mask R-CNN, 512x512", "inference/mask_rcnn/512x512/batch1", "time", 0.70, 0.80, rival=OPENVINO),
    Target(
        "inference, Mask R-CNN, 800x1344", "inference/mask_rcnn/800x1344/batch1", "time", 0.65, 0.75, rival=OPENVINO
    ),
    Target(
        "training step, Mask R-CNN, 512x512",
        "training/mask_rcnn/512x512/batch1",
        "time",
        0.45,
        0.52,
        rival=CHANNELS_LAST,
    ),
    Target(
        "training step, Mask R-CNN, 800x1344",
        "training/mask_rcnn/800x1344/batch1",
        "time",
        0.45,
        0.52,
        rival=CHANNELS_LAST,
    ),
    Target("its peak memory", "training/mask_rcnn/800x1344/batch1", "memory", 1.0, 1.0),
    Target("ROIAlign, 512 boxes 7x7x256 on 200x200, forward", "kernel/roi_align/forward", "time", 0.20, 0.20),
    Target("the same, forward and backward", "kernel/roi_align/forward_backward", "time", 0.15, 0.15),
    Target("NMS, 4000 boxes", "kernel/nms/4000", "time", 0.5, 0.5),
    Target("matching, 128 objects with 245,520 anchors", "kernel/matching/128x245520", "time", 0.2, 0.2),
    Target("pasting 100 masks into 800x1344, RLE", "kernel/paste/100x28x28", "time", 0.2, 0.2),
    Target("compiling the training step, 800x1344", "training/mask_rcnn/800x1344/batch1", "compile", 60, 60),
    Target(
        "compiling for batch 4, over batch 1",
        "growth/training/batch/4",
        "compile growth",
        1.0,
        NO_LONGER,
        against="growth/training/size/256x256",
    ),
    Target(
        "compiling for 128 object slots, over 16",
        "growth/training/size/256x256",
        "compile growth",
        1.0,
        NO_LONGER,
        against="growth/training/slots/16",
    ),
    Target("whole evaluation, over the model alone", "evaluation/mask_rcnn/512x512", "pipeline", 1.1, 1.1),
)


def measured(target: Target, results: Mapping[str, CaseResult]) -> Ratio | None:
    """Returns the target's value in a run, given its results by case name; None if the run does not have it.

    A value measured once has no spread.
    """
    result = results.get(target.case)
    ours = result.sides.get(MINDRCNN) if result else None
    if result is None or ours is None:
        return None
    if target.measure == "pipeline":
        return ratio(ours.seconds[WHOLE], ours.seconds[MODEL_ALONE]) if ours.seconds else None
    if target.measure == "compile":
        return single(ours.compile_seconds)
    if target.measure == "compile growth":
        base = results.get(target.against)
        other = base.sides.get(MINDRCNN) if base else None
        if other is None or not other.compile_seconds or not ours.compile_seconds:
            return None
        return single(ours.compile_seconds / other.compile_seconds)
    return compared(result, target.rival, target.measure)


def compared(result: CaseResult, side: str, measure: str = "time") -> Ratio | None:
    """Returns the ratio of this package to another side of the same case; None if either did not finish."""
    ours, other = result.sides.get(MINDRCNN), result.sides.get(side)
    if result.error or ours is None or other is None or not ours.seconds or not other.seconds:
        return None
    if measure == "memory":
        return single(ours.peak_memory / other.peak_memory)
    return ratio(ours.seconds["total"], other.seconds["total"])


def single(value: float | None) -> Ratio | None:
    """Returns a value without spread."""
    return None if value is None else Ratio(median=value, low=value, high=value)


def verdict(target: Target, value: Ratio) -> str:
    """Judges the median of a value."""
    if value.median <= target.wanted:
        return "reached"
    return "allowed" if value.median <= target.required else "missed"
