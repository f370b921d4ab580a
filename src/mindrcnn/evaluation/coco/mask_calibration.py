"""Agreement of predicted with true mask IoUs, and the gain from ranking masks by them.

The true IoU of a detection is its mask's best IoU with an object of its class in its image, crowds excluded. Detections
that overlap no such object are only counted, since the IoU head is not trained on them either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pycocotools import mask as mask_api

from mindrcnn.atomic import replacing
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, to_rle
from mindrcnn.evaluation.coco.metrics import Metrics, percent
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.outputs import COMMENT, MARK

FIGURE_INCHES = 6.0
FIGURE_DPI = 100
CALIBRATION_FILES = ("mask_calibration.json", "mask_calibration.png")
MAX_POINTS = 20_000  # more overlap one another and are slow to draw


@dataclass(frozen=True)
class Calibration:
    """Predicted against true mask IoU.

    detections: number of entries with a predicted IoU.
    predicted, true: (N,) float64, IoUs of the N detections that overlap an object of their class.
    correlation: Pearson correlation; None if it is undefined.
    mean_error, mean_absolute_error: of predicted - true; None without such detections.
    mask_ap, mask_ap_without_rescoring: AP, AP50 and AP75, 0..1 or -1 without objects.
    """

    detections: int
    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    correlation: float | None
    mean_error: float | None
    mean_absolute_error: float | None
    mask_ap: dict[str, float]
    mask_ap_without_rescoring: dict[str, float]


def calibrate(
    truth: GroundTruth, results: Sequence[Mapping[str, Any]], *, rescored: Metrics, plain: Metrics
) -> Calibration:
    """Compares predicted with true mask IoUs.

    results: entries with segmentation (see results.py) of images of `truth`; those without iou_score are ignored.
    rescored, plain: mask evaluations of these results, with masks ranked by score x iou_score and by score.
    """
    scored = [entry for entry in results if "iou_score" in entry]
    best = best_mask_ious(truth, scored)
    matched = best > 0
    predicted = np.array([entry["iou_score"] for entry in scored], np.float64)[matched]
    true = best[matched]
    error = predicted - true
    return Calibration(
        detections=len(scored),
        predicted=predicted,
        true=true,
        correlation=correlation(predicted, true),
        mean_error=float(error.mean()) if len(error) else None,
        mean_absolute_error=float(np.abs(error).mean()) if len(error) else None,
        mask_ap=_headline(rescored),
        mask_ap_without_rescoring=_headline(plain),
    )


def without_iou_scores(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the entries as a detector without mask scoring would produce them."""
    return [{name: value for name, value in entry.items() if name != "iou_score"} for entry in results]


def best_mask_ious(truth: GroundTruth, results: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Computes (N,) the largest IoU of each entry's mask with an object of its class in its image; 0 without one."""
    objects: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for annotation in truth.annotations:
        if not annotation["iscrowd"]:
            objects[annotation["image_id"], annotation["category_id"]].append(annotation["segmentation"])
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, entry in enumerate(results):
        groups[entry["image_id"], entry["category_id"]].append(index)
    sizes = truth.image_sizes
    best = np.zeros(len(results))
    for (image_id, category_id), members in groups.items():
        true_masks = objects.get((image_id, category_id), [])
        if true_masks:
            masks = [to_rle(results[index]["segmentation"], *sizes[image_id]) for index in members]
            ious = mask_api.iou(masks, true_masks, [0] * len(true_masks))
            best[members] = np.asarray(ious).max(axis=1)
    return best


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Computes the Pearson correlation of two (N,) arrays; None if it is undefined."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def summary_line(report: Calibration) -> str:
    """Summarises the report in one log line."""
    if report.mean_absolute_error is None:
        agreement = "no mask overlaps an object of its class"
    else:
        agreement = (
            f"{len(report.true)} of {report.detections} masks overlap an object of their class, "
            f"correlation {_decimals(report.correlation)}, mean absolute error {_decimals(report.mean_absolute_error)}"
        )
    gain = f"AP {percent(report.mask_ap['AP'])}, {percent(report.mask_ap_without_rescoring['AP'])} without rescoring"
    return f"mask IoU: {agreement}; {gain}"


def write_calibration(folder: Path, report: Calibration) -> None:
    """Writes mask_calibration.json (everything but the points) and mask_calibration.png (600 x 600 pixels).

    Raises InputError if a file cannot be written.
    """
    document = COMMENT | {
        "detections": report.detections,
        "matched": len(report.true),
        "correlation": report.correlation,
        "mean_error": report.mean_error,
        "mean_absolute_error": report.mean_absolute_error,
        "mask_ap": report.mask_ap,
        "mask_ap_without_rescoring": report.mask_ap_without_rescoring,
    }
    numbers, scatter = (folder / name for name in CALIBRATION_FILES)
    write_json(numbers, document)
    draw_scatter(report, scatter)


def draw_scatter(report: Calibration, picture: Path) -> None:
    """Plots predicted over true IoU, one point per matched detection; draws an even selection if there are too many."""
    shown = np.linspace(0, len(report.true) - 1, min(len(report.true), MAX_POINTS)).astype(int)
    true, predicted = report.true[shown], report.predicted[shown]
    figure = Figure(figsize=(FIGURE_INCHES, FIGURE_INCHES), dpi=FIGURE_DPI, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="black", linewidth=1)
    axes.scatter(true, predicted, s=8, alpha=0.4, linewidths=0)
    limits = predicted.min(initial=0.0), predicted.max(initial=1.0)  # the head's output is not confined to 0..1
    axes.set(xlim=(0, 1), ylim=limits, xlabel="true mask IoU", ylabel="predicted mask IoU")
    axes.set_title(
        f"{len(report.true)} masks, correlation {_decimals(report.correlation)}, "
        f"mean absolute error {_decimals(report.mean_absolute_error)}",
        fontsize="medium",
    )
    axes.grid(alpha=0.3)
    with replacing(picture) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary), metadata={"Software": MARK})


def _headline(metrics: Metrics) -> dict[str, float]:
    return {name: metrics.stats[name] for name in ("AP", "AP50", "AP75")}


def _decimals(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
