"""Evaluation of a checkpoint, or of a saved results file, on the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.build.data import build_dataset
from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.evaluation.coco.metrics import Metrics
from mindrcnn.evaluation.coco.report import per_class_text, summary_text
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.outputs import protect
from mindrcnn.predictor import Detector
from mindrcnn.tasks.processes import join_job, require_same_data, require_same_job, require_same_parameters
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
    checkpoint_file: Path, overrides: Sequence[str], out: Path | None, *, force: bool = False
) -> int:
    """Predicts the validation split of the checkpoint's configuration and prints the COCO tables."""
    evaluation = run_evaluation(checkpoint_file, overrides, out, force=force)
    if evaluation.ranks.first:
        print_report(evaluation.metrics, evaluation.folder)
    evaluation.ranks.wait()
    return EXIT_OK


def run_evaluation(checkpoint_file: Path, overrides: Overrides, out: Path | None, *, force: bool = False) -> Evaluation:
    """Predicts and scores the validation split of the checkpoint's configuration.

    checkpoint_file: the checkpoint.
    overrides: configuration keys to change.
    out: folder for the files; None is eval/ beside the checkpoint.
    force: whether inputs and files of others may be replaced.
    """
    setup_logging()
    checkpoint, config = open_checkpoint(checkpoint_file, overrides)
    ranks = join_job(config.device, config.train.seed)
    with ranks.together():
        require_same_job(config, ranks)
        split = _open_split(config, ranks)
        folder = out or checkpoint_file.parent / "eval"
        inputs = [checkpoint_file, split.dataset.annotation_file, *split.drawn]
        ranks.from_first(lambda: protect(split.all_outputs(folder), inputs=inputs, force=force))
        require_same_parameters(checkpoint.parameters.values(), ranks)
        metrics = split.run(Detector.from_checkpoint(checkpoint, config), folder)
    return Evaluation(metrics, folder, ranks)


def _open_split(config: Config, ranks: Ranks) -> SplitEvaluator:
    # Results carry the ids of the split at hand, whose numbering may differ from the training data's.
    dataset = build_dataset(config.data, config.data.val, "data.val")
    require_same_data(dataset, ranks)
    return SplitEvaluator(config=config, dataset=dataset, ranks=ranks)


def evaluate_results(
    results: Path, config_file: Path, overrides: Sequence[str], out: Path | None, *, force: bool = False
) -> int:
    """Scores a saved results JSON against the validation split of a configuration and prints the COCO tables."""
    setup_logging()
    config = load_config(config_file, overrides)
    dataset = build_dataset(config.data, config.data.val, "data.val")
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
