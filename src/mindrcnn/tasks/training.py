"""Training: from a configuration file to a run folder with checkpoints, log, metrics and curves."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mindrcnn import paths
from mindrcnn.build.recording import build_recorder
from mindrcnn.build.training import (
    build_flow,
    build_step,
)
from mindrcnn.compilation import Compilations
from mindrcnn.config.loader import load_config
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
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
from mindrcnn.engine.tracking.scores import Scores
from mindrcnn.engine.tracking.sinks import require_reachable, require_sinks
from mindrcnn.engine.trainer import Evaluate, Loader, Progress, Steps, Trainer, TrainingRecorder, Validation
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.predictor import network_detector
from mindrcnn.tasks.announcement import announce
from mindrcnn.tasks.checkpoints import RunCheckpoints, best_metric
from mindrcnn.tasks.first_batch import FIRST_BATCH, FirstBatchDrawn
from mindrcnn.tasks.modelarts import uploaded
from mindrcnn.tasks.precise_bn import build_precise_statistics
from mindrcnn.tasks.preparation import Data, prepare
from mindrcnn.tasks.processes import (
    build_gradient_reduction,
    join_job,
    open_log,
    require_same_job,
    synchronize_start,
)
from mindrcnn.tasks.recipe import with_recipe
from mindrcnn.tasks.report_writing import report_on_evaluation
from mindrcnn.tasks.run_folder import RunFolder, find_run_folder, told_how_to_continue
from mindrcnn.tasks.split_evaluator import SplitEvaluator, scores

logger = logging.getLogger(__name__)

EVALUATION = "eval"  # subfolder of a run folder for the files of the latest evaluation


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run.

    folder: the run folder.
    metrics: those of the last evaluation, such as bbox_AP; empty without a validation split.
    best: the checkpoint of the best evaluation; None without a validation split.
    last: the checkpoint of the last step.
    ranks: the processes that trained together.
    """

    folder: Path
    metrics: Mapping[str, float] = field(default_factory=dict)
    best: Path | None = None
    last: Path | None = None
    ranks: Ranks = field(default_factory=Ranks)


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
    run = run_training(config_file, overrides, run_dir, resume=resume, recipe=recipe)
    run.ranks.finish()
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
    ready = prepare(config, ranks, run_folder.checkpoint)
    ranks.from_first(lambda: require_reachable(config.train.log_to))
    config, plan, progress, evaluator = ready.config, ready.plan, ready.progress, ready.data.evaluator
    folder = run_folder.open(config, progress, ranks)
    open_log(folder, ranks)
    logger.info("run folder %s", folder)
    for reason in reasons:
        logger.info("%s", reason)
    announce(config, ready.data.train, ready.detector, plan, ranks.size)
    if run_folder.resumed:
        logger.info("resumed after step %d of %d", progress.step, plan.total_steps)
    recorder = build_recorder(
        config, plan, ready.learning_rates, ready.detector.loss_names, folder=folder,
        pictures=() if evaluator is None else evaluator.pictures(folder / EVALUATION),
        resumed_after=progress.step if run_folder.resumed else None,
        ranks=ranks,
    )  # fmt: skip
    training = Training(
        config=config, ranks=ranks, data=ready.data, detector=ready.detector, state=ready.state, plan=plan,
        progress=progress, folder=folder,
    )  # fmt: skip
    with recorder, told_how_to_continue(folder, ranks):
        final = build_trainer(training, recorder).run()
        ranks.wait()
    if config.train.report and evaluator is not None and ranks.first:
        report_at_end(evaluator, folder)
    logger.info("done: %s", folder)
    best, last = (path if paths.is_file(path) else None for path in (folder / BEST, folder / LAST))
    return TrainedRun(folder, dict(final.metrics), best, last, ranks)


def report_at_end(evaluator: SplitEvaluator, folder: Path) -> None:
    """Writes the report of the run's last evaluation; a failure is logged, because the training itself is done."""
    try:
        report_on_evaluation(evaluator, folder / EVALUATION, folder.name)
    except InputError as error:
        logger.warning("no report: %s", error)
    except Exception:
        logger.exception("no report, because of a mistake in MindRCNN; training is not affected")


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
    step_loader, step_feed = build_flow(config.train, build_drawn_loader(training), feed)
    return Trainer(
        steps=Steps(
            step=synchronize_start(step, ranks),
            loader=step_loader,
            feed=step_feed,
            loss_names=detector.loss_names,
            compiling=Compilations("the step") if config.device.mode == "graph" else None,
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
        before_save=build_precise_statistics(detector, training.data.loader, feed, config.train.precise_bn),
    )


def build_drawn_loader(training: Training) -> Loader:
    """Returns the run's loader; that of the first process draws its first batch into the run folder."""
    if not training.ranks.first:
        return training.data.loader
    return FirstBatchDrawn(
        loader=training.data.loader,
        picture=training.folder / FIRST_BATCH,
        class_names=training.data.train.classes,
        channel_order=training.config.model.pixel.channel_order,
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

    def evaluate(epoch: int) -> Scores:
        with use_averages(training.state.average):
            found = scores(evaluator.run(detector, training.folder / EVALUATION))
        step.set_train(True)
        logger.info("%s", " ".join(f"{name} {value:.4f}" for name, value in found.metrics.items()))
        return found

    return evaluate
