"""The report of an evaluation that has been made: its results against the split, written beside them."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mindrcnn import paths
from mindrcnn.config.loader import list_settings
from mindrcnn.data.federation import Federation
from mindrcnn.data.image_io import RGBImage, read_image
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.federated import DETECTIONS, counted, federated_truth
from mindrcnn.evaluation.coco.ground_truth import GroundTruth
from mindrcnn.evaluation.coco.metrics import MAX_DETECTIONS, IouType
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.report.document import Options, Run, make_document
from mindrcnn.report.files import IMAGES, write_report
from mindrcnn.report.sides import Truth, read_found, read_truth
from mindrcnn.report.thumbnails import ReadImage, Thumbnails
from mindrcnn.tasks.split_evaluator import RESULTS, SplitEvaluator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """What detections are held against.

    truth: the objects.
    kinds: the kinds of evaluation; empty for all that truth and results allow.
    max_detections: most detections of a class in an image that count.
    read_image: reads an image by its number in the order of ids, or raises InputError.
    federation: which classes each image was searched for, if not for all; `truth` is that of `federated_truth` then.
    """

    truth: GroundTruth
    kinds: Sequence[IouType]
    max_detections: int
    read_image: ReadImage
    federation: Federation | None = None


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Numbers that the user may choose: see `Options`."""

    resamples: int = 300
    seed: int = 0
    precision: float = 0.9


@dataclass(frozen=True, kw_only=True)
class Results:
    """A results file.

    name: of its run.
    file: the file.
    settings: the values of the run's configuration, as text, by dotted key; empty if it is not known.
    """

    name: str
    file: Path
    settings: Mapping[str, str] = field(default_factory=dict)


def split_of(evaluator: SplitEvaluator) -> Split:
    """Returns the split of an evaluator."""
    records = sorted(evaluator.dataset.records, key=lambda record: record.image_id)
    truth, federation = evaluator.truth.subset(None, evaluator.dataset.category_ids), evaluator.dataset.federation
    return Split(
        truth=truth if federation is None else federated_truth(truth, federation),
        kinds=evaluator.iou_types,
        max_detections=evaluator.config.eval.max_detections if federation is None else DETECTIONS,
        read_image=lambda image: records[image].image(),
        federation=federation,
    )


def split_of_annotations(truth: GroundTruth, folder: Path | None) -> Split:
    """Returns a split that is known from its annotations alone; `folder` holds the images, None without them."""
    files = [str(image["file_name"]) for image in sorted(truth.images, key=lambda image: image["id"])]

    def read(image: int) -> RGBImage:
        if folder is None:
            raise InputError("--images: wanted the folder of the images, to show them, got nothing")
        file = folder / files[image]
        if paths.resolve(folder) not in paths.resolve(file).parents:
            raise InputError(f"{file}: wanted an image inside {folder}")
        return read_image(file)

    return Split(truth=truth, kinds=(), max_detections=MAX_DETECTIONS, read_image=read)


def make_report(
    split: Split, results: Sequence[Results], folder: Path, options: ReportOptions, *, force: bool = False
) -> None:
    """Writes the report of the first results, compared with the others, into `folder`.

    split: what they are held against.
    results: the files.
    folder: receives the files.
    options: numbers.
    force: whether thumbnails may replace files of others.
    Raises InputError for results that do not fit the split, and without objects.
    """
    started = time.process_time()
    truth = read_truth(split.truth)
    if truth.crowd.all():
        raise InputError(f"{truth.name}: wanted annotated objects to report on, got none")
    runs = [_read_run(one, split, truth) for one in results]
    kinds = split.kinds or _possible_kinds(truth, runs)
    document, images = make_document(
        truth,
        runs,
        Options(
            kinds=kinds,
            max_detections=split.max_detections,
            resamples=options.resamples,
            seed=options.seed,
            precision=options.precision,
        ),
    )
    thumbnails = Thumbnails(split.read_image, folder / IMAGES)
    thumbnails.make(images)
    write_report(folder, document, images, thumbnails, force=force)
    logger.info("report in %s (%.1f s of processor time)", folder, time.process_time() - started)


def report_on_evaluation(evaluator: SplitEvaluator, folder: Path, name: str, *, force: bool = False) -> None:
    """Writes the report of the results that `evaluator` wrote into `folder`."""
    results = Results(name=name, file=folder / RESULTS, settings=list_settings(evaluator.config))
    make_report(split_of(evaluator), [results], folder, ReportOptions(), force=force)


def _read_run(results: Results, split: Split, truth: Truth) -> Run:
    entries = read_results(
        results.file,
        image_sizes=split.truth.image_sizes,
        category_ids=truth.category_ids,
        needs_masks="segm" in split.kinds,
    )
    if split.federation is not None:
        entries = counted(entries, split.truth, split.federation)
    return Run(name=results.name, found=read_found(entries, truth), settings=results.settings)


def _possible_kinds(truth: Truth, runs: Sequence[Run]) -> tuple[IouType, ...]:
    masks = truth.masks is not None and all(run.found.masks is not None for run in runs)
    return ("bbox", "segm") if masks else ("bbox",)
