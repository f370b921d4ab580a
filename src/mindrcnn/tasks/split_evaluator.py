"""Evaluation of a detector on a split: predictions, COCO numbers, files and pictures."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindrcnn.build.data import build_eval_loader
from mindrcnn.concurrency import run_behind
from mindrcnn.config.run import Config
from mindrcnn.data.record import Dataset, Record
from mindrcnn.detections import Detections
from mindrcnn.drawing.objects import draw_pair, true_objects
from mindrcnn.drawing.pictures import picture_names, write_picture
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.evaluation.coco.evaluator import evaluate, log_uncounted
from mindrcnn.evaluation.coco.ground_truth import ground_truth_of
from mindrcnn.evaluation.coco.mask_calibration import (
    CALIBRATION_FILES,
    calibrate,
    summary_line,
    without_iou_scores,
    write_calibration,
)
from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND, IouType, Metrics
from mindrcnn.evaluation.coco.report import is_metrics, is_tables, write_metrics, write_tables
from mindrcnn.evaluation.coco.results import is_results, write_results
from mindrcnn.image_detector import Detector
from mindrcnn.outputs import Output
from mindrcnn.tasks.progress import log_progress

logger = logging.getLogger(__name__)

RESULTS, METRICS, TABLES = "results.json", "metrics.json", "tables.txt"
PICTURES = "pictures"  # subfolder of an evaluation's folder


class SplitEvaluator:
    """Scores a detector, or a saved results list, on one split and writes the results into a folder.

    config: the configuration of the evaluation.
    dataset: the split.
    ranks: processes that share the images of the split. Each scores the results of all, so that they agree; only the
        first writes.
    """

    def __init__(self, *, config: Config, dataset: Dataset, ranks: Ranks | None = None) -> None:
        self.ranks = ranks or Ranks()
        self.config = config
        self.split_images = len(dataset.records)
        if config.eval.limit:
            dataset = dataset.first(config.eval.limit)
        # A mask branch that was left as it is may be evaluated on boxes alone.
        has_masks = config.model.mask is not None and (config.train.mask_branch or dataset.has_masks)
        self.dataset = dataset.require_masks() if has_masks else dataset
        self.iou_types: tuple[IouType, ...] = ("bbox", "segm") if has_masks else ("bbox",)
        if config.eval.boundary:
            self.iou_types += ("boundary",)
        self.truth = ground_truth_of(self.dataset)
        drawn = pick_evenly(self.ranks.share(self.dataset.records), config.eval.pictures if self.ranks.first else 0)
        self.drawn = picture_names(record.path for record in drawn)

    def pictures(self, folder: Path) -> list[Path]:
        """Returns the files that `run` draws into `folder`."""
        return [folder / PICTURES / name for name in self.drawn.values()]

    def outputs(self, folder: Path) -> list[Output]:
        """Returns the files that `score` writes into `folder`."""
        calibration = CALIBRATION_FILES if self.predicts_iou else ()
        tables = Output(folder / TABLES, is_tables)
        return [Output(folder / METRICS, is_metrics), tables, *(Output(folder / name) for name in calibration)]

    def all_outputs(self, folder: Path) -> list[Output]:
        """Returns the files that `run` writes into `folder`."""
        pictures = [Output(picture) for picture in self.pictures(folder)]
        return [Output(folder / RESULTS, is_results), *self.outputs(folder), *pictures]

    @property
    def is_limited(self) -> bool:
        """Whether only the first images of the split are evaluated."""
        return len(self.dataset.records) < self.split_images

    @property
    def predicts_iou(self) -> bool:
        """Whether the model predicts the IoU of its masks."""
        mask = self.config.model.mask
        return mask is not None and mask.predicts_iou and "segm" in self.iou_types

    def run(self, detector: Detector, folder: Path) -> list[Metrics]:
        """Predicts every image; writes results.json, metrics.json, tables.txt and pictures/ into `folder`.

        Of several processes each predicts its share, and the first draws some of its own.
        """
        if self.is_limited:
            logger.info("only the first %d of %d images (eval.limit)", len(self.dataset.records), self.split_images)
        records = self.ranks.share(self.dataset.records)
        # While the device computes a batch, a thread pastes, encodes and draws the one before.
        batches = (detector.detect(batch) for batch in build_eval_loader(self.config, records))
        finished = run_behind(lambda batch: [self.finish(found, folder) for found in batch], batches)
        stream = (entries for batch in finished for entries in batch)
        images = log_progress(stream, total=len(records), compiling=detector.compilations)
        entries = self.ranks.merge([entry for entries in images for entry in entries])
        if self.ranks.first:
            write_results(folder / RESULTS, entries)
        return self.score(entries, folder)

    def score(self, entries: Sequence[dict[str, Any]], folder: Path) -> list[Metrics]:
        """Returns the COCO numbers of result entries and writes metrics.json and tables.txt into `folder`.

        A model that predicts the IoU of its masks also gets mask_calibration.json and .png. Without annotated objects
        there are no numbers, and no files of them.
        """
        if not self.truth.annotations:
            logger.warning("%s has no annotated objects, so nothing is scored", self.truth.name)
            return []
        if self.ranks.first and self.dataset.federation is None:
            log_uncounted(entries, max_detections=self.config.eval.max_detections)
        evaluations = [self.compute_metrics(entries, iou_type) for iou_type in self.iou_types]
        if not self.ranks.first:
            return evaluations
        write_metrics(folder / METRICS, evaluations)
        write_tables(folder / TABLES, evaluations)
        if self.predicts_iou:
            plain = self.compute_metrics(without_iou_scores(entries), "segm")
            (rescored,) = (metrics for metrics in evaluations if metrics.iou_type == "segm")
            report = calibrate(self.truth, entries, rescored=rescored, plain=plain)
            write_calibration(folder, report)
            logger.info("%s", summary_line(report))
        return evaluations

    def compute_metrics(self, entries: Sequence[dict[str, Any]], iou_type: IouType) -> Metrics:
        """Returns the COCO numbers of one kind over the data set's classes."""
        metrics = evaluate(
            self.truth,
            entries,
            iou_type=iou_type,
            backend=self.config.eval.backend,
            category_ids=self.dataset.category_ids,
            max_detections=self.config.eval.max_detections,
            federation=self.dataset.federation,
        )
        return replace(metrics, split_images=self.split_images) if self.is_limited else metrics

    def finish(self, found: Detections, folder: Path) -> list[dict[str, Any]]:
        """Returns the result entries of one image, with the ids of the split; draws the image if it was picked."""
        record = found.source
        assert isinstance(record, Record)
        if record.path in self.drawn:
            self.draw(found, record, folder / PICTURES / self.drawn[record.path])
        return found.to_coco(record.image_id, category_ids=self.dataset.category_ids)

    def draw(self, found: Detections, record: Record, path: Path) -> None:
        """Writes a picture of the ground truth beside the prediction."""
        predictions = found[found.scores >= self.config.eval.picture_score].drawn_objects()
        picture = draw_pair(record.image(), true_objects(record), predictions, self.dataset.classes)
        write_picture(path, picture)


def pick_evenly(records: Sequence[Any], count: int) -> list[Any]:
    """Returns up to `count` of the records, spread over the list."""
    count = min(count, len(records))
    return [records[index * len(records) // count] for index in range(count)]


def scores(evaluations: Sequence[Metrics]) -> Scores:
    """Returns what a run records of its evaluations."""
    return Scores(
        headline(evaluations),
        {
            f"{metrics.iou_type}_AP": {one.name: one.ap for one in metrics.per_class if one.ap != NOTHING_TO_FIND}
            for metrics in evaluations
        },
    )


def headline(evaluations: Sequence[Metrics]) -> dict[str, float]:
    """Returns AP, AP50 and AP75 of each evaluation under names such as bbox_AP."""
    return {
        f"{metrics.iou_type}_{name}": metrics.stats[name] for metrics in evaluations for name in ("AP", "AP50", "AP75")
    }


def all_metrics(evaluations: Sequence[Metrics]) -> dict[str, float]:
    """Returns COCO's twelve numbers of each evaluation under names such as bbox_AP and segm_ARl."""
    return {f"{metrics.iou_type}_{name}": value for metrics in evaluations for name, value in metrics.stats.items()}
