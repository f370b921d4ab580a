"""Evaluation of a checkpoint, or of a saved results file, on the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn.build.data import build_dataset
from mindrcnn.build.trained_model import open_checkpoint
from mindrcnn.config.loader import load_config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.evaluation.coco.metrics import Metrics
from mindrcnn.evaluation.coco.report import per_class_text, summary_text
from mindrcnn.evaluation.coco.results import read_results
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.predictor import Detector
from mindrcnn.tasks.processes import join_job
from mindrcnn.tasks.split_evaluator import SplitEvaluator


@dataclass(frozen=True)
class Evaluation:
    """COCO numbers, one Metrics for boxes, masks and boundaries each; the folder of the files; the processes."""

    metrics: Sequence[Metrics]
    folder: Path
    ranks: Ranks


def evaluate_checkpoint(checkpoint_file: Path, overrides: Sequence[str], out: Path | None) -> int:
    """Predicts the validation split of the checkpoint's configuration and prints the COCO tables."""
    done = evaluated_checkpoint(checkpoint_file, overrides, out)
    if done.ranks.first:
        report(done.metrics, done.folder)
    done.ranks.wait()
    return EXIT_OK


def evaluated_checkpoint(checkpoint_file: Path, overrides: Overrides, out: Path | None) -> Evaluation:
    """Predicts the validation split of the checkpoint's configuration; writes into `out` (None: eval/ beside it)."""
    setup_logging()
    checkpoint, config = open_checkpoint(checkpoint_file, overrides)
    ranks = join_job(config.device, config.train.seed)
    # Results carry the ids of the split at hand, whose numbering may differ from the training data's.
    dataset = build_dataset(config.data, config.data.val, "data.val")
    evaluator = SplitEvaluator(config=config, dataset=dataset, ranks=ranks)
    folder = out or checkpoint_file.parent / "eval"
    metrics = evaluator.run(Detector.of_checkpoint(checkpoint, config), folder)
    return Evaluation(metrics, folder, ranks)


def evaluate_results(results: Path, config_file: Path, overrides: Sequence[str], out: Path | None) -> int:
    """Scores a saved results JSON against the validation split of a configuration and prints the COCO tables."""
    setup_logging()
    config = load_config(config_file, overrides)
    dataset = build_dataset(config.data, config.data.val, "data.val")
    evaluator = SplitEvaluator(config=config, dataset=dataset)
    entries = read_results(results, image_sizes=evaluator.truth.image_sizes, category_ids=dataset.category_ids)
    folder = out or results.parent
    report(evaluator.score(entries, folder), folder)
    return EXIT_OK


def report(evaluations: Sequence[Metrics], folder: Path) -> None:
    """The tables, on standard output."""
    print(summary_text(evaluations))
    print()
    print(per_class_text(evaluations))
    print(f"\nwritten to {folder}")
