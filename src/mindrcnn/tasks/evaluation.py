"""Evaluation of a checkpoint, of an exported model, or of a saved results file, on the validation split."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.build.data import build_dataset
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.engine.distributed.environment import read_launch
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.evaluation.coco.metrics import Metrics
from mindrcnn.evaluation.coco.report import per_class_text, summary_text
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.exported.opening import is_exported
from mindrcnn.image_detector import Detector
from mindrcnn.opening import (
    DEFAULT_RUNTIME,
    Runtime,
    inference_keys,
    open_exported_model,
    refuse_backend,
    with_overrides,
)
from mindrcnn.tasks.split_evaluator import SplitEvaluator


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    metrics: one for boxes, and one each for masks and boundaries if they are evaluated.
    folder: the folder of the files.
    ranks: the processes that evaluated.
    """

    metrics: Sequence[Metrics]
    folder: Path
    ranks: Ranks


def evaluate_checkpoint(
    file: Path, overrides: Sequence[str], out: Path | None, *, runtime: Runtime = DEFAULT_RUNTIME
) -> int:
    """Predicts the validation split of the configuration of a checkpoint or exported model; prints the COCO tables."""
    evaluation = run_evaluation(file, overrides, out, runtime=runtime)
    if evaluation.ranks.first:
        print_report(evaluation.metrics, evaluation.folder)
    evaluation.ranks.wait()
    return EXIT_OK


def run_evaluation(
    file: Path, overrides: Overrides, out: Path | None, *, runtime: Runtime = DEFAULT_RUNTIME
) -> Evaluation:
    """Predicts and scores the validation split of the configuration of a checkpoint or exported model.

    file: the checkpoint or exported model.
    overrides: configuration keys to change.
    out: folder for the results; None is eval/ beside the file.
    runtime: the back end and device.
    """
    setup_logging()
    opened = open_exported_for_evaluation if is_exported(file) else open_checkpoint_for_evaluation
    config, ranks, build_detector = opened(file, overrides, runtime)
    # Results carry the ids of the split at hand, whose numbering may differ from the training data's.
    dataset = build_dataset(config.data, config.data.val, "data.val")
    evaluator = SplitEvaluator(config=config, dataset=dataset, ranks=ranks)
    folder = out or file.parent / "eval"
    return Evaluation(evaluator.run(build_detector(), folder), folder, ranks)


Opened = tuple[Config, Ranks, Callable[[], Detector]]  # the detector is built last, when the data has been found good


def open_exported_for_evaluation(file: Path, overrides: Overrides, runtime: Runtime) -> Opened:
    """Opens an exported model. Raises InputError if this is one of several processes."""
    processes = read_launch(os.environ).size
    if processes > 1:
        raise InputError(f"eval: wanted one process for an exported model, got {processes}")
    detector = open_exported_model(file, overrides, runtime)
    return detector.config, Ranks(), lambda: detector


def open_checkpoint_for_evaluation(file: Path, overrides: Overrides, runtime: Runtime) -> Opened:
    """Opens a checkpoint and joins the processes that evaluate it."""
    from mindrcnn.build.trained_model import open_checkpoint
    from mindrcnn.predictor import checkpoint_detector
    from mindrcnn.tasks.processes import join_job

    refuse_backend(file, runtime)
    checkpoint, config = open_checkpoint(file, with_overrides(overrides, inference_keys(runtime.device)))
    ranks = join_job(config.device, config.train.seed)
    return config, ranks, lambda: checkpoint_detector(checkpoint, config)


def evaluate_results(results: Path, config_file: Path, overrides: Sequence[str], out: Path | None) -> int:
    """Scores a saved results JSON against the validation split of a configuration and prints the COCO tables."""
    setup_logging()
    config = load_config(config_file, overrides)
    dataset = build_dataset(config.data, config.data.val, "data.val")
    evaluator = SplitEvaluator(config=config, dataset=dataset)
    entries = read_results(results, image_sizes=evaluator.truth.image_sizes, category_ids=dataset.category_ids)
    folder = out or results.parent
    print_report(evaluator.score(entries, folder), folder)
    return EXIT_OK


def print_report(evaluations: Sequence[Metrics], folder: Path) -> None:
    """Prints the COCO tables."""
    print(summary_text(evaluations))
    print()
    print(per_class_text(evaluations))
    print(f"\nwritten to {folder}")
