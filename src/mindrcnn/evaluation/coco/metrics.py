"""The metrics of a COCO evaluation and the table in which pycocotools prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

IouType = Literal["bbox", "segm", "boundary"]
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = ("all", "small", "medium", "large")  # in the order of the evaluators' area axis
MAX_DETECTIONS = 100  # COCO's, of a class in an image
NOTHING_TO_FIND = -1.0  # pycocotools' value when the ground truth has no object of that kind


@dataclass(frozen=True)
class _Line:
    """One of COCO's twelve metrics and what it averages over."""

    name: str
    precision: bool
    area: str = "all"
    detections: int | None = None  # None: as many as the evaluation counts
    iou: float | None = None


LINES = (
    _Line("AP", True),
    _Line("AP50", True, iou=0.5),
    _Line("AP75", True, iou=0.75),
    _Line("APs", True, area="small"),
    _Line("APm", True, area="medium"),
    _Line("APl", True, area="large"),
    _Line("AR1", False, detections=1),
    _Line("AR10", False, detections=10),
    _Line("AR", False),
    _Line("ARs", False, area="small"),
    _Line("ARm", False, area="medium"),
    _Line("ARl", False, area="large"),
)


@dataclass(frozen=True)
class ClassMetrics:
    """AP and AP50 of a class (0..1; -1 without objects) and its number of objects, crowds not counted."""

    name: str
    category_id: int
    ap: float
    ap50: float
    objects: int


@dataclass(frozen=True)
class Metrics:
    """The result of one evaluation.

    stats: COCO's twelve metrics by name (AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl), 0..1, or -1
        if the ground truth has no such object.
    table: the lines that pycocotools prints.
    split_images: images of the split, if only its first `images` were evaluated; 0 if all were.
    """

    iou_type: IouType
    stats: dict[str, float]
    per_class: tuple[ClassMetrics, ...]
    images: int
    table: str
    split_images: int = 0


def mean_or_nothing(values: NDArray[np.float64]) -> float:
    """Averages the entries that exist (are above -1); -1 if there are none."""
    existing = values[values > -1]
    return float(existing.mean()) if len(existing) else NOTHING_TO_FIND


def detection_limits(max_detections: int) -> tuple[int, ...]:
    """Returns the numbers of detections that are counted, in the order of the evaluators' detections axis."""
    return (1, 10, max_detections)


def coco_stats(precision: NDArray[np.float64], recall: NDArray[np.float64], *, max_detections: int) -> dict[str, float]:
    """Computes the twelve metrics.

    precision: (thresholds, recalls, classes, areas, detections), -1 for a class without objects.
    recall: (thresholds, classes, areas, detections), likewise.
    max_detections: most detections of a class in an image that are counted; COCO's 100 give its AR100.
    """
    stats = {}
    for line in LINES:
        curve = precision if line.precision else recall
        limit = -1 if line.detections is None else detection_limits(max_detections).index(line.detections)
        values = curve[..., AREAS.index(line.area), limit]
        stats[_name(line, max_detections)] = mean_or_nothing(
            values if line.iou is None else values[threshold_index(line.iou)]
        )
    return stats


def _name(line: _Line, max_detections: int) -> str:
    return f"AR{max_detections}" if line.name == "AR" else line.name


def threshold_index(iou: float) -> int:
    """Returns the index of an IoU on the thresholds axis."""
    return int(np.argmin(np.abs(IOU_THRESHOLDS - iou)))


def percent(value: float) -> str:
    """Formats a metric in percent; '-' if there was nothing to find."""
    return "-" if value == NOTHING_TO_FIND else f"{100 * value:.1f}"


def table_text(stats: dict[str, float], *, max_detections: int) -> str:
    """Formats the twelve lines as COCOeval.summarize of pycocotools prints them."""
    rows = []
    for line in LINES:
        title, kind = ("Average Precision", "(AP)") if line.precision else ("Average Recall", "(AR)")
        iou = f"{IOU_THRESHOLDS[0]:0.2f}:{IOU_THRESHOLDS[-1]:0.2f}" if line.iou is None else f"{line.iou:0.2f}"
        limit = max_detections if line.detections is None else line.detections
        rows.append(
            f" {title:<18} {kind} @[ IoU={iou:<9} | area={line.area:>6s} | maxDets={limit:>3d} ]"
            f" = {stats[_name(line, max_detections)]:0.3f}"
        )
    return "\n".join(rows)
