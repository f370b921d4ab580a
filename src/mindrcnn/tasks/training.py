"""Training: from a configuration file to a run folder with checkpoints, log, metrics and curves."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mindrcnn.build.data import build_dataset, build_train_loader
from mindrcnn.build.initial_weights import build_initialised_detector
from mindrcnn.build.recording import build_recorder
from mindrcnn.build.trained_model import NumpyPredictor
from mindrcnn.build.training import (
    build_flow,
    build_learning_rates,
    build_plan,
    build_state,
    build_step,
    global_batch,
    peak_learning_rate,
)
from mindrcnn.config.loader import dump_config, load_config
from mindrcnn.config.run import Config
from mindrcnn.data.record import Dataset
from mindrcnn.engine.checkpoints.resume import best_so_far, newest_checkpoint
from mindrcnn.engine.checkpoints.run_folder import create_run_folder
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.early_stop import EarlyStop, evaluations_since_best
from mindrcnn.engine.step.accumulation import AccumulatingStep
from mindrcnn.engine.step.ema import use_averages
from mindrcnn.engine.step.feed import BatchFeed
from mindrcnn.engine.step.train_step import TrainStep
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.engine.tracking.metrics_log import MetricsLog
from mindrcnn.engine.tracking.recorder import METRICS
from mindrcnn.engine.tracking.sinks import require_sinks
from mindrcnn.engine.trainer import Evaluate, Loader, Plan, Progress, Record, Trainer
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.tasks.checkpoints import RunCheckpoints, best_metric
from mindrcnn.tasks.processes import gradient_reduction, join_job, open_log, sample_count, together
from mindrcnn.tasks.resume import begun_run, resumed_progress, take_up
from mindrcnn.tasks.split_evaluator import SplitEvaluator, headline

logger = logging.getLogger(__name__)

RUNS = Path("runs")  # where run folders are made
EVALUATION = "eval"  # in a run folder: what the latest evaluation wrote


@dataclass(frozen=True)
class Training:
    """All that a training is made of, at the step that it begins with or goes on from."""

    config: Config
    dataset: Dataset
    evaluator: SplitEvaluator | None
    loader: Loader
    detector: TwoStageDetector
    plan: Plan
    state: TrainingState
    progress: Progress
    folder: Path
    ranks: Ranks


def train(config_file: Path, overrides: Sequence[str], run_dir: Path | None = None, *, resume: bool = False) -> int:
    """Trains as the configuration says, into the new or empty folder `run_dir`; None: the next free one in runs/.

    resume: goes on with the run in `run_dir`, or in the latest folder of that name; starts it where there is none.
    """
    setup_logging()
    config = load_config(config_file, overrides)
    require_sinks(config.train.log_to)
    ranks = join_job(config.device, config.train.seed)
    begun = ranks.from_first(lambda: begun_run(RUNS, run_dir, config.name)) if resume else None
    checkpoint = None if begun is None else newest_checkpoint(begun)
    new = ranks.from_first(lambda: chosen_folder(run_dir, config.name)) if begun is None else begun
    dataset = build_dataset(config.data, config.data.train, "data.train")
    config = replace(config, data=replace(config.data, classes=dataset.classes))
    evaluator = build_evaluator(config, ranks)
    loader = build_train_loader(config, dataset, rank=ranks.rank, world_size=ranks.size)
    detector = build_initialised_detector(config, dataset.classes, checkpoint, sample_count(ranks))

    plan = build_plan(config.train, loader.steps_per_epoch())
    learning_rates = build_learning_rates(config.train, plan, world_size=ranks.size)
    state = build_state(config.train, detector, learning_rates)
    progress = Progress()
    if checkpoint is not None:
        progress = resumed_progress(checkpoint, config, plan, ranks.size)
        state.restore(checkpoint)
    folder = begun or ranks.from_first(lambda: create_run_folder(new.parent, new.name, config_yaml=dump_config(config)))
    open_log(folder, ranks)
    announce(config, dataset, plan, folder, ranks.size)
    if begun is not None:
        logger.info("resumed after step %d of %d", progress.step, plan.total_steps)
        ranks.from_first(lambda: take_up(folder, config, progress.step))
    recorder = build_recorder(
        config, plan, learning_rates, detector.loss_names, folder=folder,
        pictures=() if evaluator is None else evaluator.pictures(folder / EVALUATION),
        resumed_after=None if begun is None else progress.step,
        ranks=ranks,
    )  # fmt: skip
    training = Training(config, dataset, evaluator, loader, detector, plan, state, progress, folder, ranks)
    with recorder:
        build_trainer(training, recorder).run()
        ranks.wait()
    logger.info("done: %s", folder)
    return EXIT_OK


def build_trainer(training: Training, recorder: Record) -> Trainer:
    """The loop over the training's steps, evaluations and checkpoints."""
    config, detector, folder, ranks = training.config, training.detector, training.folder, training.ranks
    step = build_step(
        config.train, TrainingLosses(detector=detector), training.state, reduce_gradients=gradient_reduction(ranks)
    )
    feed = BatchFeed(noise_shapes=detector.noise_shapes, seed=config.train.seed, rank=ranks.rank, world_size=ranks.size)
    step_loader, step_feed = build_flow(config.train, training.loader, feed)
    checkpoints = RunCheckpoints(
        config=config,
        dataset=training.dataset,
        plan=training.plan,
        state=training.state,
        folder=folder,
        ranks=ranks,
    )
    metric = best_metric(config)
    evaluations = MetricsLog(folder / METRICS).evaluations(metric)
    return Trainer(
        step=together(step, ranks),
        loader=step_loader,
        feed=step_feed,
        plan=training.plan,
        loss_names=detector.loss_names,
        recorder=recorder,
        save=checkpoints.save,
        evaluate=None if training.evaluator is None else evaluation(training.evaluator, training, step),
        best_metric=metric,
        progress=training.progress,
        best=best_so_far(folder, metric, evaluations),
        early_stop=EarlyStop(patience=config.train.patience, stale=evaluations_since_best(evaluations)),
        keep=checkpoints.evaluated,
        ranks=ranks,
    )


def chosen_folder(run_dir: Path | None, name: str) -> Path:
    """runs/NAME, or the folder asked for; InputError where that one has something in it."""
    if run_dir is None:
        return RUNS / name
    folder = run_dir.resolve()  # its last part is a name then, also for "." and "a/.."
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"--run-dir: wanted a new or empty folder, got {run_dir}, which is not empty")
    return folder


def build_evaluator(config: Config, ranks: Ranks) -> SplitEvaluator | None:
    """Reads the validation split before training starts, so that its faults cost nothing; None where there is none."""
    split = config.data.val
    if not (split.name or split.annotations):
        return None
    return SplitEvaluator(config=config, dataset=build_dataset(config.data, split, "data.val"), ranks=ranks)


def announce(config: Config, dataset: Dataset, plan: Plan, folder: Path, world_size: int) -> None:
    """One line each about data, length and learning rate."""
    schedule, images = config.train.schedule, global_batch(config.train, world_size=world_size)
    logger.info("run folder %s", folder)
    logger.info("%d images, %d classes", len(dataset.records), len(dataset.classes))
    if world_size > 1:
        logger.info("%d processes", world_size)
    logger.info("%d steps of %d images, %d steps an epoch", plan.total_steps, images, plan.steps_per_epoch)
    scaled = f"base_lr {schedule.base_lr:g} x {images} / {schedule.reference_batch} images"
    logger.info(
        "learning rate %g after warm-up (%s)",
        peak_learning_rate(config.train, world_size=world_size),
        scaled if schedule.scale_lr else "base_lr, not scaled to the batch",
    )


def evaluation(evaluator: SplitEvaluator, training: Training, step: TrainStep | AccumulatingStep) -> Evaluate:
    """Evaluates the detector as it is now, with the average of its parameters where there is one, into the run folder,
    and goes back to training."""
    predict = NumpyPredictor(detector=training.detector)

    def evaluate(epoch: int) -> Mapping[str, float]:
        logger.info("evaluating after epoch %d", epoch)
        with use_averages(training.state.average):
            metrics = headline(evaluator.run(predict, training.folder / EVALUATION))
        step.set_train(True)
        logger.info("%s", " ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return metrics

    return evaluate
