"""Evaluation of a detector on a split: predictions, COCO numbers, files and pictures."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mindrcnn.build.data import build_eval_loader
from mindrcnn.concurrency import run_behind
from mindrcnn.config.run import Config
from mindrcnn.data.formats.registry import find_format
from mindrcnn.data.record import Dataset, Record
from mindrcnn.detections import Detections
from mindrcnn.drawing.objects import draw_pair, true_objects
from mindrcnn.drawing.pictures import picture_names, write_picture
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.annotations import coco_annotations
from mindrcnn.evaluation.coco.evaluator import evaluate
from mindrcnn.evaluation.coco.ground_truth import GroundTruth, load_ground_truth
from mindrcnn.evaluation.coco.mask_calibration import calibrate, summary_line, without_iou_scores, write_calibration
from mindrcnn.evaluation.coco.metrics import IouType, Metrics
from mindrcnn.evaluation.coco.report import write_metrics
from mindrcnn.evaluation.json_files import write_json
from mindrcnn.image_detector import Detector
from mindrcnn.tasks.progress import log_progress

logger = logging.getLogger(__name__)

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
        self.dataset = dataset
        has_masks = config.model.mask is not None
        if has_masks:
            dataset.require_masks()
        self.iou_types: tuple[IouType, ...] = ("bbox", "segm") if has_masks else ("bbox",)
        if config.eval.boundary:
            self.iou_types += ("boundary",)
        self.truth = ground_truth(config, dataset)
        drawn = pick_evenly(self.ranks.share(dataset.records), config.eval.pictures if self.ranks.first else 0)
        self.drawn = picture_names(record.path for record in drawn)
        if has_masks:
            require_true_masks(self.truth, dataset)

    def pictures(self, folder: Path) -> list[Path]:
        """Returns the files that `run` draws into `folder`."""
        return [folder / PICTURES / name for name in self.drawn.values()]

    def run(self, detector: Detector, folder: Path) -> list[Metrics]:
        """Predicts every image; writes results.json, metrics.json and pictures/ into `folder`.

        Of several processes each predicts its share, and the first draws some of its own.
        """
        records = self.ranks.share(self.dataset.records)
        # While the device computes a batch, a thread pastes, encodes and draws the one before.
        batches = (detector.detect(batch) for batch in build_eval_loader(self.config, records))
        finished = run_behind(lambda batch: [self.finish(found, folder) for found in batch], batches)
        images = log_progress((entries for batch in finished for entries in batch), total=len(records))
        entries = self.ranks.merge([entry for entries in images for entry in entries])
        if self.ranks.first:
            write_json(folder / "results.json", entries)
        return self.score(entries, folder)

    def score(self, entries: Sequence[dict[str, Any]], folder: Path) -> list[Metrics]:
        """Returns the COCO numbers of result entries and writes metrics.json into `folder`.

        A model that predicts the IoU of its masks also gets mask_calibration.json and .png.
        """
        evaluations = [self.compute_metrics(entries, iou_type) for iou_type in self.iou_types]
        if not self.ranks.first:
            return evaluations
        write_metrics(folder / "metrics.json", evaluations)
        if self.config.model.mask is not None and self.config.model.mask.predicts_iou:
            plain = self.compute_metrics(without_iou_scores(entries), "segm")
            (rescored,) = (metrics for metrics in evaluations if metrics.iou_type == "segm")
            report = calibrate(self.truth, entries, rescored=rescored, plain=plain)
            write_calibration(folder, report)
            logger.info("%s", summary_line(report))
        return evaluations

    def compute_metrics(self, entries: Sequence[dict[str, Any]], iou_type: IouType) -> Metrics:
        """Returns the COCO numbers of one kind over the data set's classes."""
        return evaluate(
            self.truth,
            entries,
            iou_type=iou_type,
            backend=self.config.eval.backend,
            category_ids=self.dataset.category_ids,
        )

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


def ground_truth(config: Config, dataset: Dataset) -> GroundTruth:
    """Returns the ground truth of the split's own COCO file or, for another format, of its records."""
    if find_format(config.data.val.format).is_coco_json:
        return load_ground_truth(dataset.annotation_file)
    return load_ground_truth(coco_annotations(dataset))


def require_true_masks(truth: GroundTruth, dataset: Dataset) -> None:
    """Raises InputError unless every object can be evaluated as a mask; called before training rather than after it."""
    for index, annotation in enumerate(truth.annotations):
        if "segmentation" not in annotation and annotation["category_id"] in dataset.category_ids:
            raise InputError(
                f"{truth.name}: annotations, entry {index}: wanted a segmentation of at least three corners, got none"
            )


def pick_evenly(records: Sequence[Any], count: int) -> list[Any]:
    """Returns up to `count` of the records, spread over the list."""
    count = min(count, len(records))
    return [records[index * len(records) // count] for index in range(count)]


def headline(evaluations: Sequence[Metrics]) -> dict[str, float]:
    """Returns AP, AP50 and AP75 of each evaluation under names such as bbox_AP."""
    return {
        f"{metrics.iou_type}_{name}": metrics.stats[name] for metrics in evaluations for name in ("AP", "AP50", "AP75")
    }


def all_metrics(evaluations: Sequence[Metrics]) -> dict[str, float]:
    """Returns COCO's twelve numbers of each evaluation under names such as bbox_AP and segm_ARl."""
    return {f"{metrics.iou_type}_{name}": value for metrics in evaluations for name, value in metrics.stats.items()}
