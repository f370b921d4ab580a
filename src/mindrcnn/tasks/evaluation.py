"""Evaluation of a checkpoint, of an exported model, or of a saved results file, on the validation split."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.build.data import build_dataset
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.data.record import Dataset
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
from mindrcnn.outputs import protect
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
    evaluation.ranks.wait()
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

    file: the checkpoint or exported model.
    overrides: configuration keys to change.
    out: folder for the files; None is eval/ beside the file, or for another split than val eval_SPLIT/.
    split: "train", "val" or "test".
    runtime: the back end and device.
    force: whether inputs and files of others may be replaced.
    """
    setup_logging()
    opened = open_exported_for_evaluation if is_exported(file) else open_checkpoint_for_evaluation
    model = opened(file, overrides, runtime)
    ranks = model.ranks
    with ranks.together():
        model.compare_jobs()
        # Results carry the ids of the split at hand, whose numbering may differ from the training data's.
        dataset = read_split(model.config, split)
        model.compare_data(dataset)
        evaluator = SplitEvaluator(config=model.config, dataset=dataset, ranks=ranks)
        folder = out or file.parent / ("eval" if split == "val" else f"eval_{split}")
        inputs = [file, evaluator.dataset.annotation_file, *evaluator.drawn]
        ranks.from_first(lambda: protect(evaluator.all_outputs(folder), inputs=inputs, force=force))
        model.compare_parameters()
        metrics = evaluator.run(model.build_detector(), folder)
    return Evaluation(metrics, folder, ranks)


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
    dataset = read_split(config, split)
    evaluator = SplitEvaluator(config=config, dataset=dataset)
    entries = read_results(
        results,
        image_sizes=evaluator.truth.image_sizes,
        category_ids=dataset.category_ids,
        needs_masks=config.model.mask is not None,
    )
    folder = out or results.parent
    inputs = [results, config_file, dataset.annotation_file]
    protect(evaluator.outputs(folder), inputs=inputs, force=force)
    print_report(evaluator.score(entries, folder), folder)
    return EXIT_OK


def print_report(evaluations: Sequence[Metrics], folder: Path) -> None:
    """Prints the COCO tables."""
    print(summary_text(evaluations))
    print()
    print(per_class_text(evaluations))
    print(f"\nwritten to {folder}")
