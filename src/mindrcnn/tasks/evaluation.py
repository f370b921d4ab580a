"""Evaluation of a checkpoint, of an exported model, or of a saved results file, on the validation split."""

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mindrcnn import paths
from mindrcnn.build.data import build_dataset, training_classes
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.data.record import Dataset
from mindrcnn.engine.distributed.environment import read_launch
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.metrics import Metrics
from mindrcnn.evaluation.coco.report import tables_text
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.exported.opening import is_exported
from mindrcnn.image_detector import Detector
from mindrcnn.obtain import checkpoint_file, output_folder
from mindrcnn.opening import (
    DEFAULT_RUNTIME,
    Runtime,
    inference_keys,
    open_exported_model,
    refuse_backend,
    with_overrides,
)
from mindrcnn.outputs import protect
from mindrcnn.report.files import PAGE, report_outputs
from mindrcnn.tasks.modelarts import fetch_data
from mindrcnn.tasks.report_writing import report_on_evaluation
from mindrcnn.tasks.split_evaluator import SplitEvaluator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    metrics: one for boxes, and one each for masks and boundaries if they are evaluated.
    folder: the folder of the files.
    ranks: the processes that evaluated.
    device: the kind of device.
    config: the configuration.
    """

    metrics: Sequence[Metrics]
    folder: Path
    ranks: Ranks
    device: str = ""
    config: Config | None = None


def evaluate_checkpoint(
    file: Path,
    overrides: Sequence[str],
    out: Path | None,
    *,
    split: str = "val",
    runtime: Runtime = DEFAULT_RUNTIME,
    force: bool = False,
) -> int:
    """Predicts a split of the configuration of a checkpoint or exported model; prints the COCO tables."""
    evaluation = run_evaluation(file, overrides, out, split=split, runtime=runtime, force=force)
    if evaluation.ranks.first:
        print_report(evaluation.metrics, evaluation.folder)
    evaluation.ranks.finish()
    return EXIT_OK


def run_evaluation(
    file: Path,
    overrides: Overrides,
    out: Path | None,
    *,
    split: str = "val",
    runtime: Runtime = DEFAULT_RUNTIME,
    force: bool = False,
) -> Evaluation:
    """Predicts and scores a split of the configuration of a checkpoint or exported model.

    file: the checkpoint or exported model, or a published model's name.
    overrides: configuration keys to change.
    out: folder for the files; None is eval/ beside the file, or evaluated/NAME for a name; eval_SPLIT/ and
        evaluated_SPLIT/NAME for another split than val.
    split: "train", "val" or "test".
    runtime: the back end and device.
    force: whether inputs and files of others may be replaced.
    """
    setup_logging()
    given, file = file, checkpoint_file(file)
    opened = open_exported_for_evaluation if is_exported(file) else open_checkpoint_for_evaluation
    model = opened(file, overrides, runtime)
    ranks = model.ranks
    with ranks.together():
        model.compare_jobs()
        # Results carry the ids of the split at hand, whose numbering may differ from the training data's.
        config = replace(model.config, data=fetch_data(model.config.data))
        dataset = read_split(config, split)
        model.compare_data(dataset)
        evaluator = SplitEvaluator(config=model.config, dataset=dataset, ranks=ranks)
        folder = out or output_folder(given, file, split)
        inputs = [file, evaluator.dataset.annotation_file, *evaluator.drawn]
        outputs = [*evaluator.all_outputs(folder), *(report_outputs(folder) if model.config.eval.report else ())]
        ranks.from_first(lambda: protect(outputs, inputs=inputs, force=force))
        model.compare_parameters()
        metrics = evaluator.run(model.build_detector(), folder)
        if model.config.eval.report and metrics:
            ranks.from_first(lambda: report_on_evaluation(evaluator, folder, str(given), force=force))
        elif ranks.first and paths.exists(folder / PAGE):
            logger.warning("%s is about an earlier evaluation: eval.report=true writes it again", folder / PAGE)
    return Evaluation(metrics, folder, ranks, model.config.device.target, model.config)


def read_split(config: Config, name: str) -> Dataset:
    """Reads one of the splits train, val and test."""
    data = config.data
    return build_dataset(data, {"train": data.train, "val": data.val, "test": data.test}[name], f"data.{name}")


def _nothing(*_: object) -> None:
    """Compares nothing: one process."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A model to evaluate, with the comparisons that its processes make.

    config: the configuration to evaluate with.
    ranks: the processes that evaluate together.
    build_detector: builds the detector; called when the data has been found good.
    compare_jobs, compare_data, compare_parameters: raise InputError unless the processes have the same software and
        configuration, data, and parameters.
    """

    config: Config
    ranks: Ranks
    build_detector: Callable[[], Detector]
    compare_jobs: Callable[[], None] = _nothing
    compare_data: Callable[[Dataset], None] = _nothing
    compare_parameters: Callable[[], None] = _nothing


def open_exported_for_evaluation(file: Path, overrides: Overrides, runtime: Runtime) -> Opened:
    """Opens an exported model. Raises InputError if this is one of several processes."""
    processes = read_launch(os.environ).size
    if processes > 1:
        raise InputError(f"eval: wanted one process for an exported model, got {processes}")
    detector = open_exported_model(file, overrides, runtime)
    return Opened(config=detector.config, ranks=Ranks(), build_detector=lambda: detector)


def open_checkpoint_for_evaluation(file: Path, overrides: Overrides, runtime: Runtime) -> Opened:
    """Opens a checkpoint and joins the processes that evaluate it."""
    from mindrcnn.build.trained_model import open_checkpoint
    from mindrcnn.predictor import checkpoint_detector
    from mindrcnn.tasks.processes import join_job, require_same_data, require_same_job, require_same_parameters

    refuse_backend(file, runtime)
    checkpoint, config = open_checkpoint(file, with_overrides(overrides, inference_keys(runtime.device)))
    ranks = join_job(config.device, config.train.seed)
    return Opened(
        config=config,
        ranks=ranks,
        build_detector=lambda: checkpoint_detector(checkpoint, config),
        compare_jobs=lambda: require_same_job(config, ranks),
        compare_data=lambda dataset: require_same_data(dataset, ranks),
        compare_parameters=lambda: require_same_parameters(checkpoint.parameters.values(), ranks),
    )


def evaluate_results(
    results: Path,
    config_file: Path,
    overrides: Sequence[str],
    out: Path | None,
    *,
    split: str = "val",
    force: bool = False,
) -> int:
    """Scores a saved results JSON against a split of a configuration and prints the COCO tables."""
    setup_logging()
    config = load_config(config_file, overrides)
    evaluator, entries = _read_for_evaluation(results, config, split)
    if {entry["category_id"] for entry in entries} < set(evaluator.dataset.category_ids):
        # A class that is never predicted may be one that training does not have: reading that takes time.
        with suppress(InputError):  # which is missing where only results are scored
            config = replace(config, data=replace(config.data, classes=training_classes(config.data)))
        if config.data.classes not in ((), evaluator.dataset.classes):
            evaluator, entries = _read_for_evaluation(results, config, split)
    folder = out or results.parent
    inputs = [results, config_file, evaluator.dataset.annotation_file]
    protect(evaluator.outputs(folder), inputs=inputs, force=force)
    print_report(evaluator.score(entries, folder), folder)
    return EXIT_OK


def _read_for_evaluation(results: Path, config: Config, split: str) -> tuple[SplitEvaluator, list[dict[str, Any]]]:
    """Returns the evaluator of one of a configuration's splits, and the entries of a file that it takes."""
    dataset = read_split(config, split)
    evaluator = SplitEvaluator(config=config, dataset=dataset)
    entries = read_results(
        results,
        image_sizes={record.image_id: record.size for record in dataset.records},
        category_ids=dataset.category_ids,
        needs_masks="segm" in evaluator.iou_types,
        needs_boxes="segm" not in evaluator.iou_types,
    )
    evaluated = evaluator.truth.image_sizes
    return evaluator, [entry for entry in entries if entry["image_id"] in evaluated]


def print_report(evaluations: Sequence[Metrics], folder: Path) -> None:
    """Prints the COCO tables; without annotated objects there are none."""
    if not evaluations:
        print(f"nothing to score; written to {folder}")
        return
    print(tables_text(evaluations))
    print(f"\nwritten to {folder}")
