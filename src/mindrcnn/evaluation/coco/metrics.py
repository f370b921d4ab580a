"""The metrics of a COCO evaluation and the table in which pycocotools prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.federation import FREQUENCIES

IouType = Literal["bbox", "segm", "boundary"]
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = ("all", "small", "medium", "large")  # in the order of the evaluators' area axis
MAX_DETECTIONS = 100  # COCO's, of a class in an image
NOTHING_TO_FIND = -1.0  # pycocotools' value when the ground truth has no object of that kind


@dataclass(frozen=True)
class Line:
    """One of the metrics of a table and what it averages over."""

    name: str
    precision: bool
    area: str = "all"
    detections: int | None = None  # None: as many as the evaluation counts
    iou: float | None = None
    frequency: str | None = None  # of the classes; None: all


LINES = (
    Line("AP", True),
    Line("AP50", True, iou=0.5),
    Line("AP75", True, iou=0.75),
    Line("APs", True, area="small"),
    Line("APm", True, area="medium"),
    Line("APl", True, area="large"),
    Line("AR1", False, detections=1),
    Line("AR10", False, detections=10),
    Line("AR", False),
    Line("ARs", False, area="small"),
    Line("ARm", False, area="medium"),
    Line("ARl", False, area="large"),
)
LVIS_LINES = (
    *LINES[:6],
    *(Line(f"AP{frequency}", True, frequency=frequency) for frequency in FREQUENCIES),
    *LINES[8:],
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
        if the ground truth has no such object; of a federated data set LVIS's thirteen, with APr, APc and APf for
        rare, common and frequent classes.
    table: the lines that pycocotools or lvis-api prints.
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


def coco_stats(
    precision: NDArray[np.float64],
    recall: NDArray[np.float64],
    *,
    max_detections: int,
    lines: Sequence[Line] = LINES,
    frequencies: Sequence[str | None] = (),
) -> dict[str, float]:
    """Computes the metrics of a table.

    precision: (thresholds, recalls, classes, areas, detections), -1 for a class without objects.
    recall: (thresholds, classes, areas, detections), likewise.
    max_detections: most detections of a class in an image that are counted; COCO's 100 give its AR100.
    lines: the metrics.
    frequencies: that of each class, for lines that have one.
    """
    stats = {}
    for line in lines:
        curve = precision if line.precision else recall
        limit = -1 if line.detections is None else detection_limits(max_detections).index(line.detections)
        values = curve[..., AREAS.index(line.area), limit]
        if line.frequency is not None:
            values = values[..., [frequency == line.frequency for frequency in frequencies]]
        stats[_name(line, max_detections)] = mean_or_nothing(
            values if line.iou is None else values[threshold_index(line.iou)]
        )
    return stats


def _name(line: Line, max_detections: int) -> str:
    return f"AR{max_detections}" if line.name == "AR" else line.name


def threshold_index(iou: float) -> int:
    """Returns the index of an IoU on the thresholds axis."""
    return int(np.argmin(np.abs(IOU_THRESHOLDS - iou)))


def percent(value: float) -> str:
    """Formats a metric in percent; '-' if there was nothing to find."""
    return "-" if value == NOTHING_TO_FIND else f"{100 * value:.1f}"


def table_text(stats: dict[str, float], *, max_detections: int, lines: Sequence[Line] = LINES) -> str:
    """Formats COCO's twelve lines as COCOeval.summarize of pycocotools prints them, and LVIS's after lvis-api."""
    rows = []
    for line in lines:
        title, kind = ("Average Precision", "(AP)") if line.precision else ("Average Recall", "(AR)")
        iou = f"{IOU_THRESHOLDS[0]:0.2f}:{IOU_THRESHOLDS[-1]:0.2f}" if line.iou is None else f"{line.iou:0.2f}"
        limit = max_detections if line.detections is None else line.detections
        classes = f" catIds={line.frequency or 'all':>3s}]" if lines is LVIS_LINES else " ]"
        rows.append(
            f" {title:<18} {kind} @[ IoU={iou:<9} | area={line.area:>6s} | maxDets={limit:>3d}{classes}"
            f" = {stats[_name(line, max_detections)]:0.3f}"
        )
    return "\n".join(rows)
