"""The parts of a training run before its first step: data, model, optimizer and plan.

Nothing is written but the files of data.mindrecord_dir.
"""

from dataclasses import dataclass, replace

import numpy as np

from mindrcnn.build.data import build_dataset, build_train_loader
from mindrcnn.build.initial_weights import build_initialised_detector
from mindrcnn.build.training import build_learning_rates, build_plan, build_state
from mindrcnn.config.run import Config
from mindrcnn.data.record import Dataset
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.trainer import Loader, Progress
from mindrcnn.errors import InputError
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.obtain import with_local_checkpoint
from mindrcnn.tasks.mindrecord_folder import build_training_dataset
from mindrcnn.tasks.modelarts import fetch_data
from mindrcnn.tasks.processes import build_sample_count, require_same_data, require_same_parameters
from mindrcnn.tasks.run_folder import restore_progress
from mindrcnn.tasks.split_evaluator import SplitEvaluator


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data sets of a run."""

    train: Dataset
    loader: Loader
    evaluator: SplitEvaluator | None  # None without a validation split


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that is ready for its first step, or for the next one if it is resumed.

    config: the configuration, with the classes of the data.
    learning_rates: (total_steps,) float32.
    """

    config: Config
    data: Data
    detector: TwoStageDetector
    state: TrainingState
    plan: Plan
    learning_rates: np.ndarray
    progress: Progress


def prepare(config: Config, ranks: Ranks, checkpoint: Checkpoint | None) -> Prepared:
    """Reads the data and builds the model, its optimizer and the plan; `checkpoint` is that of a resumed run."""
    start = config if checkpoint is not None else with_local_checkpoint(config)
    data = fetch_data(config.data)
    dataset = build_training_dataset(data, ranks)
    require_same_data(dataset, ranks)
    config = replace(config, data=replace(config.data, classes=dataset.classes))
    evaluator = build_evaluator(replace(config, data=replace(config.data, root=data.root)), ranks)
    loader = build_train_loader(config, dataset, rank=ranks.rank, world_size=ranks.size)
    detector = build_initialised_detector(start, dataset.classes, checkpoint, build_sample_count(ranks))
    plan = build_plan(config.train, loader.steps_per_epoch())
    learning_rates = build_learning_rates(config.train, plan, world_size=ranks.size)
    state = build_state(config.train, detector, learning_rates)
    progress = Progress()
    if checkpoint is not None:
        progress = restore_progress(checkpoint, config, plan, ranks.size)
        state.restore(checkpoint)
    require_same_parameters(detector.get_parameters(), ranks)
    return Prepared(
        config=config,
        data=Data(train=dataset, loader=loader, evaluator=evaluator),
        detector=detector,
        state=state,
        plan=plan,
        learning_rates=learning_rates,
        progress=progress,
    )


def build_evaluator(config: Config, ranks: Ranks) -> SplitEvaluator | None:
    """Reads the validation split before training starts, so that mistakes in it show early; None without a split."""
    split = config.data.val
    if not (split.name or split.annotations):
        return None
    dataset = build_dataset(config.data, split, "data.val")
    require_same_data(dataset, ranks)
    if not any(len(record.labels) for record in dataset.records):
        raise InputError(f"data.val: wanted a split with annotated objects, got none in {dataset.annotation_file}")
    return SplitEvaluator(config=config, dataset=dataset, ranks=ranks)
