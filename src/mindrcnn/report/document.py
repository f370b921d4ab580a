"""The content of report.json and of the page: every question answered for the runs at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mindrcnn.evaluation.coco.metrics import IouType
from mindrcnn.report.advice import summarise
from mindrcnn.report.bootstrap import CONFIDENCE, draw_weights, resampled_scores
from mindrcnn.report.calibration import iou_calibration, score_calibration
from mindrcnn.report.comparison import compare_objects, compare_scores, compare_settings
from mindrcnn.report.confusion import confusion
from mindrcnn.report.error_kinds import error_costs, find_errors
from mindrcnn.report.gallery import View, choose_images, make_gallery
from mindrcnn.report.matches import Matches, find_matches
from mindrcnn.report.precision import Scores, Weights
from mindrcnn.report.precision_recall import best_f1, find_curves, kept_from, precision_recall
from mindrcnn.report.sides import Found, Truth
from mindrcnn.report.tables import count_objects, make_tables

KINDS_WITH_ERRORS: tuple[IouType, ...] = ("bbox", "segm")  # boundaries only have tables


@dataclass(frozen=True, eq=False, kw_only=True)
class Run:
    """Detections to report on.

    name: shown in the page.
    found: what was detected.
    settings: the values of the configuration, as text, by dotted key; empty if it is not known.
    """

    name: str
    found: Found
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a report is made.

    kinds: bbox, and segm and boundary if masks are evaluated; the second is shown first.
    max_detections: most detections of a class in an image that count.
    resamples: number of bootstrap resamples.
    seed: of the resamples.
    precision: the precision for which score thresholds are wanted.
    """

    kinds: Sequence[IouType]
    max_detections: int
    resamples: int = 300
    seed: int = 0
    precision: float = 0.9

    @property
    def main(self) -> IouType:
        """The kind that decides what is shown first."""
        return "segm" if "segm" in self.kinds else "bbox"


@dataclass(frozen=True, eq=False)
class _Analysis:
    """What one kind of evaluation says of a run: its part of the document, and what comparisons need."""

    document: dict[str, Any]
    scores: Scores
    view: View | None


def make_document(truth: Truth, runs: Sequence[Run], options: Options) -> tuple[dict[str, Any], list[int]]:
    """Answers all questions for the first run and compares the others with it.

    Returns the document and the numbers of the images in its gallery.

    truth: the split.
    runs: the run to report on, then those to compare it with.
    options: kinds of evaluation, limits and numbers.
    """
    weights = draw_weights(len(truth.image_ids), options.resamples, options.seed)
    documents: list[dict[str, Any]] = [{} for _ in runs]
    comparisons: list[dict[str, Any]] = [{} for _ in runs[1:]]
    views: list[View] = []
    counts: dict[str, Any] = {}
    for kind in options.kinds:
        analyses = []
        for run, document in zip(runs, documents, strict=True):
            matches = find_matches(truth, run.found, kind, max_detections=options.max_detections)
            analysis = _analyse(matches, weights, options)
            document[kind] = analysis.document
            analyses.append(analysis)
            counts = counts or count_objects(truth, matches)
        first = analyses[0]
        for comparison, other in zip(comparisons, analyses[1:], strict=True):
            comparison[kind] = _compare(truth, first, other)
        if kind == options.main:
            views = [analysis.view for analysis in analyses if analysis.view is not None]
    images = choose_images(views)
    # Masks with a predicted IoU rank by another number than the score, to which a threshold is applied.
    scored = "bbox" if runs[0].found.predicted_ious is not None else options.main
    curves = documents[0][scored]["precision_recall"]
    document = {
        "runs": [run.name for run in runs],
        "split": truth.name,
        "classes": list(truth.classes),
        "counts": counts,
        "main": options.main,
        "confidence": CONFIDENCE,
        "resamples": options.resamples,
        "seed": options.seed,
        "precision": options.precision,
        "summary": summarise(options.main, documents[0][options.main], counts),
        "thresholds": {
            key: {one["name"]: one[key] for one in curves if one[key] is not None}
            for key in ("best_f1", "for_precision")
        },
        "kinds": documents[0],
        "comparisons": [
            {
                "name": run.name,
                "kinds": comparison,
                "precision_recall": {kind: document[kind].get("precision_recall") for kind in options.kinds},
                "settings": compare_settings(runs[0].settings, run.settings),
            }
            for run, document, comparison in zip(runs[1:], documents[1:], comparisons, strict=True)
        ],
        "gallery": make_gallery(views, images),
    }
    return document, images


def _analyse(matches: Matches, weights: Weights, options: Options) -> _Analysis:
    """Answers the questions about one kind of evaluation of a run."""
    scores = resampled_scores(matches, weights)
    document: dict[str, Any] = {"tables": make_tables(matches, scores)}
    if matches.kind not in KINDS_WITH_ERRORS:
        return _Analysis(document, scores, None)
    errors = find_errors(matches)
    shown_from = kept_from([best_f1(curve) for curve in find_curves(matches)])
    document |= {
        "precision_recall": precision_recall(matches, precision=options.precision),
        "confusion": confusion(matches, shown_from),
        "error_kinds": error_costs(matches, errors),
        "calibration": score_calibration(matches),
        "iou_calibration": iou_calibration(matches, errors),
    }
    return _Analysis(document, scores, View(matches, errors, shown_from))


def _compare(truth: Truth, first: _Analysis, other: _Analysis) -> dict[str, Any]:
    compared = compare_scores(truth, first.scores, other.scores)
    if first.view is not None and other.view is not None:
        compared["objects"] = compare_objects(first.view, other.view)
    return compared
