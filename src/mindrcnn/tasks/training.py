"""Training: from a configuration file to a run folder with checkpoints, log, metrics and curves."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from mindrcnn import paths
from mindrcnn.build.data import build_dataset, build_train_loader
from mindrcnn.build.initial_weights import build_initialised_detector
from mindrcnn.build.recording import build_recorder
from mindrcnn.build.training import (
    build_flow,
    build_learning_rates,
    build_plan,
    build_state,
    build_step,
)
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.data.record import Dataset
from mindrcnn.engine.checkpoints.resume import BEST, LAST, best_so_far
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.early_stop import EarlyStop, evaluations_since_best
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.step.accumulation import AccumulatingStep
from mindrcnn.engine.step.ema import use_averages
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.engine.tracking.metrics_log import MetricsLog
from mindrcnn.engine.tracking.recorder import METRICS
from mindrcnn.engine.tracking.sinks import require_reachable, require_sinks
from mindrcnn.engine.trainer import Evaluate, Loader, Progress, Steps, Trainer, TrainingRecorder, Validation
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.obtain import with_local_checkpoint
from mindrcnn.predictor import network_detector
from mindrcnn.tasks.announcement import announce
from mindrcnn.tasks.checkpoints import RunCheckpoints, best_metric
from mindrcnn.tasks.mindrecord_folder import build_training_dataset
from mindrcnn.tasks.modelarts import fetch_data, uploaded
from mindrcnn.tasks.processes import (
    build_gradient_reduction,
    build_sample_count,
    join_job,
    open_log,
    require_same_data,
    require_same_job,
    require_same_parameters,
    synchronize_start,
)
from mindrcnn.tasks.recipe import with_recipe
from mindrcnn.tasks.run_folder import RunFolder, find_run_folder, restore_progress
from mindrcnn.tasks.split_evaluator import SplitEvaluator, headline

logger = logging.getLogger(__name__)

EVALUATION = "eval"  # subfolder of a run folder for the files of the latest evaluation


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run.

    folder: the run folder.
    metrics: those of the last evaluation, such as bbox_AP; empty without a validation split.
    best: the checkpoint of the best evaluation; None without a validation split.
    last: the checkpoint of the last step.
    """

    folder: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Path | None = None
    last: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Data:
    """The data sets of a run."""

    train: Dataset
    loader: Loader
    evaluator: SplitEvaluator | None  # None without a validation split


@dataclass(frozen=True, kw_only=True)
class Training:
    """The parts of a run, at the step that it starts or continues from."""

    config: Config
    ranks: Ranks
    data: Data
    detector: TwoStageDetector
    state: TrainingState
    plan: Plan
    progress: Progress
    folder: Path


def train(
    config_file: Path,
    overrides: Sequence[str],
    run_dir: Path | None = None,
    *,
    resume: bool = False,
    recipe: str | None = None,
) -> int:
    """Trains from a configuration file, like `run_training`; returns the exit status."""
    run_training(config_file, overrides, run_dir, resume=resume, recipe=recipe)
    return EXIT_OK


def run_training(
    config_file: Path,
    overrides: Overrides,
    run_dir: Path | None = None,
    *,
    resume: bool = False,
    recipe: str | None = None,
) -> TrainedRun:
    """Trains from a configuration file.

    config_file: the YAML file.
    overrides: configuration keys to change.
    run_dir: a new or empty folder for the run; None is the next free one in runs/.
    resume: continues the run in `run_dir`, or in the latest folder of that name; starts a new run if there is none.
    recipe: chooses what the overrides do not set from the data; see `recipe.py`.
    """
    setup_logging()
    overrides, reasons = (overrides, []) if recipe is None else with_recipe(config_file, overrides, recipe)
    config = load_config(config_file, overrides)
    require_sinks(config.train.log_to)
    ranks = join_job(config.device, config.train.seed)
    with ranks.together(), ExitStack() as held:
        require_same_job(config, ranks)
        folder = held.enter_context(uploaded(run_dir, ranks))
        return _train(config, ranks, find_run_folder(folder, config.name, ranks, held, resume=resume), reasons)


def _train(config: Config, ranks: Ranks, run_folder: RunFolder, reasons: Sequence[str]) -> TrainedRun:
    """Trains in the folder of a run; logs the reasons for its settings."""
    start = config if run_folder.checkpoint is not None else with_local_checkpoint(config)
    data = fetch_data(config.data)
    dataset = build_training_dataset(data, ranks)
    require_same_data(dataset, ranks)
    config = replace(config, data=replace(config.data, classes=dataset.classes))
    evaluator = build_evaluator(replace(config, data=replace(config.data, root=data.root)), ranks)
    loader = build_train_loader(config, dataset, rank=ranks.rank, world_size=ranks.size)
    detector = build_initialised_detector(start, dataset.classes, run_folder.checkpoint, build_sample_count(ranks))

    plan = build_plan(config.train, loader.steps_per_epoch())
    learning_rates = build_learning_rates(config.train, plan, world_size=ranks.size)
    state = build_state(config.train, detector, learning_rates)
    progress = Progress()
    if run_folder.checkpoint is not None:
        progress = restore_progress(run_folder.checkpoint, config, plan, ranks.size)
        state.restore(run_folder.checkpoint)
    ranks.from_first(lambda: require_reachable(config.train.log_to))
    require_same_parameters(detector.get_parameters(), ranks)
    folder = run_folder.open(config, progress, ranks)
    open_log(folder, ranks)
    for reason in reasons:
        logger.info("%s", reason)
    announce(config, dataset, detector, plan, folder, ranks.size)
    if run_folder.resumed:
        logger.info("resumed after step %d of %d", progress.step, plan.total_steps)
    recorder = build_recorder(
        config, plan, learning_rates, detector.loss_names, folder=folder,
        pictures=() if evaluator is None else evaluator.pictures(folder / EVALUATION),
        resumed_after=progress.step if run_folder.resumed else None,
        ranks=ranks,
    )  # fmt: skip
    training = Training(
        config=config, ranks=ranks, data=Data(train=dataset, loader=loader, evaluator=evaluator),
        detector=detector, state=state, plan=plan, progress=progress, folder=folder,
    )  # fmt: skip
    with recorder:
        final = build_trainer(training, recorder).run()
        ranks.wait()
    logger.info("done: %s", folder)
    best, last = (path if paths.is_file(path) else None for path in (folder / BEST, folder / LAST))
    return TrainedRun(folder, dict(final.metrics), best, last)


def build_trainer(training: Training, recorder: TrainingRecorder) -> Trainer:
    """Builds the loop over the run's steps, evaluations and checkpoints."""
    config, detector, ranks = training.config, training.detector, training.ranks
    step = build_step(
        config.train,
        TrainingLosses(detector=detector),
        training.state,
        reduce_gradients=build_gradient_reduction(ranks),
    )
    feed = BatchFeed(noise_shapes=detector.noise_shapes, seed=config.train.seed, rank=ranks.rank, world_size=ranks.size)
    step_loader, step_feed = build_flow(config.train, training.data.loader, feed)
    return Trainer(
        steps=Steps(
            step=synchronize_start(step, ranks), loader=step_loader, feed=step_feed, loss_names=detector.loss_names
        ),
        plan=training.plan,
        recorder=recorder,
        checkpoints=RunCheckpoints(
            config=config,
            dataset=training.data.train,
            plan=training.plan,
            state=training.state,
            folder=training.folder,
            ranks=ranks,
        ),
        validation=build_validation(training, step),
        progress=training.progress,
        ranks=ranks,
    )


def build_validation(training: Training, step: TrainStep | AccumulatingStep) -> Validation | None:
    """Builds the evaluations of the run, with the outcome of earlier ones if it is resumed; None without a split."""
    if training.data.evaluator is None:
        return None
    metric = best_metric(training.config)
    values = MetricsLog(training.folder / METRICS).evaluations(metric)
    return Validation(
        evaluate=build_evaluation(training.data.evaluator, training, step),
        metric=metric,
        best=best_so_far(training.folder, metric, values),
        early_stop=EarlyStop(patience=training.config.train.patience, stale=evaluations_since_best(values)),
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


def build_evaluation(evaluator: SplitEvaluator, training: Training, step: TrainStep | AccumulatingStep) -> Evaluate:
    """Returns a function that evaluates the detector into the run folder and then switches back to training.

    It evaluates the average of the parameters if there is one.
    """
    dataset = training.data.train
    detector = network_detector(
        network=training.detector,
        config=training.config,
        classes=dataset.classes,
        category_ids=dataset.category_ids,
    )

    def evaluate(epoch: int) -> Mapping[str, float]:
        with use_averages(training.state.average):
            metrics = headline(evaluator.run(detector, training.folder / EVALUATION))
        step.set_train(True)
        logger.info("%s", " ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return metrics

    return evaluate
