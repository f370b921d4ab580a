"""Training: from a configuration file to a run folder with checkpoints, log, metrics and curves."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mindspore import nn

from mindrcnn.build import (
    build_dataset,
    build_detector,
    build_learning_rates,
    build_plan,
    build_train_loader,
    global_batch,
    peak_learning_rate,
)
from mindrcnn.build_training import build_flow, build_state, build_step
from mindrcnn.config import Config
from mindrcnn.config_loader import dump_config, load_config
from mindrcnn.config_model import BackboneConfig
from mindrcnn.data.record import Dataset
from mindrcnn.engine.accumulation import AccumulatingStep
from mindrcnn.engine.average import ParameterAverage, applied
from mindrcnn.engine.checkpoint import Checkpoint, load_checkpoint, load_into
from mindrcnn.engine.early_stop import EarlyStop, evaluations_since_best
from mindrcnn.engine.feed import BatchFeed
from mindrcnn.engine.logging_setup import setup_logging
from mindrcnn.engine.metrics_log import MetricsLog
from mindrcnn.engine.param_groups import freeze
from mindrcnn.engine.recorder import METRICS, Recorder
from mindrcnn.engine.resume import best_so_far, newest_checkpoint
from mindrcnn.engine.run_folder import create_run_folder
from mindrcnn.engine.train_step import TrainStep
from mindrcnn.engine.trainer import Evaluate, Plan, Progress, Trainer
from mindrcnn.engine.weights import fetch_weights
from mindrcnn.errors import InputError
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.models.pretrained import load_backbone
from mindrcnn.programs.common import EXIT_OK, set_device
from mindrcnn.programs.evaluation import SplitEvaluator, headline
from mindrcnn.programs.resumed_run import begun_run, resumed_progress, take_up
from mindrcnn.programs.run_checkpoints import RunCheckpoints, best_metric
from mindrcnn.programs.trained_model import NumpyPredictor

logger = logging.getLogger(__name__)

RUNS = Path("runs")  # where run folders are made
MASK_BRANCH = "mask."  # what the names of a mask branch's parameters begin with


def train(config_file: Path, overrides: Sequence[str], run_dir: Path | None = None, *, resume: bool = False) -> int:
    """Trains as the configuration says, into the new or empty folder `run_dir`; None: the next free one in runs/.

    resume: goes on with the run in `run_dir`, or in the latest folder of that name; starts it where there is none.
    """
    setup_logging()
    config = load_config(config_file, overrides)
    begun = begun_run(RUNS, run_dir, config.name) if resume else None
    checkpoint = None if begun is None else newest_checkpoint(begun)
    run_dir = chosen_folder(run_dir, config.name) if begun is None else begun
    dataset = build_dataset(config.data, config.data.train, "data.train")
    config = replace(config, data=replace(config.data, classes=dataset.classes))
    evaluator = build_evaluator(config)
    loader = build_train_loader(config, dataset)
    set_device(config.device, config.train.seed)
    detector = build_initialised_detector(config, len(dataset.classes), checkpoint)

    plan = build_plan(config.train, loader.steps_per_epoch())
    learning_rates = build_learning_rates(config.train, plan)
    state = build_state(config.train, detector, learning_rates)
    progress = Progress()
    if checkpoint is not None:
        progress = resumed_progress(checkpoint, config, plan)
        state.restore(checkpoint)
    folder = begun or create_run_folder(run_dir.parent, run_dir.name, config_yaml=dump_config(config))
    setup_logging(folder / "train.log")
    announce(config, dataset, plan, folder)
    recorder = Recorder(
        folder=folder,
        loss_names=detector.loss_names,
        learning_rates=learning_rates,
        steps_per_epoch=plan.steps_per_epoch,
        log_every=config.train.log_every,
    )
    if begun is not None:
        logger.info("resumed after step %d of %d", progress.step, plan.total_steps)
        take_up(folder, config, progress.step)
    step = build_step(config.train, TrainingLosses(detector=detector), state)
    feed = BatchFeed(noise_shapes=detector.noise_shapes, seed=config.train.seed)
    step_loader, step_feed = build_flow(config.train, loader, feed)
    checkpoints = RunCheckpoints(config=config, dataset=dataset, plan=plan, state=state, folder=folder)
    evaluations = MetricsLog(folder / METRICS).evaluations(best_metric(config))
    trainer = Trainer(
        step=step,
        loader=step_loader,
        feed=step_feed,
        plan=plan,
        loss_names=detector.loss_names,
        recorder=recorder,
        save=checkpoints.save,
        evaluate=None if evaluator is None else evaluation(evaluator, detector, state.average, step, folder),
        best_metric=best_metric(config),
        progress=progress,
        best=best_so_far(folder, best_metric(config), evaluations),
        early_stop=EarlyStop(patience=config.train.patience, stale=evaluations_since_best(evaluations)),
        keep=checkpoints.kept.evaluated,
    )
    trainer.run()
    logger.info("done: %s", folder)
    return EXIT_OK


def chosen_folder(run_dir: Path | None, name: str) -> Path:
    """runs/NAME, or the folder asked for; InputError where that one has something in it."""
    if run_dir is None:
        return RUNS / name
    folder = run_dir.resolve()  # its last part is a name then, also for "." and "a/.."
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"--run-dir: wanted a new or empty folder, got {run_dir}, which is not empty")
    return folder


def build_evaluator(config: Config) -> SplitEvaluator | None:
    """Reads the validation split before training starts, so that its faults cost nothing; None where there is none."""
    split = config.data.val
    if not (split.name or split.annotations):
        return None
    return SplitEvaluator(config=config, dataset=build_dataset(config.data, split, "data.val"))


def build_initialised_detector(config: Config, num_classes: int, resumed: Checkpoint | None = None) -> TwoStageDetector:
    """The detector with the weights that training starts or goes on from, and its frozen parameters frozen."""
    detector = build_detector(config.model, num_classes)
    if resumed is not None:
        load_into(detector, resumed)
    elif config.train.init_checkpoint:
        load_initial(detector, load_checkpoint(Path(config.train.init_checkpoint)))
    else:
        load_backbone_weights(detector.backbone, config.model.backbone)
    frozen = freeze(detector, config.train.freeze)
    if frozen:
        logger.info("%d parameters are frozen by train.freeze", len(frozen))
    return detector


def load_initial(detector: TwoStageDetector, checkpoint: Checkpoint) -> None:
    """Loads a checkpoint, but for the mask branch where the checkpoint's is of another type, or missing."""
    ours = {parameter.name for parameter in detector.get_parameters() if parameter.name.startswith(MASK_BRANCH)}
    if not ours or ours & checkpoint.parameters.keys():
        load_into(detector, checkpoint)
        return
    load_into(detector, checkpoint, except_part=MASK_BRANCH)
    logger.info("%s has no mask branch of this type: it starts anew", checkpoint.path)


def load_backbone_weights(backbone: nn.Cell, config: BackboneConfig) -> None:
    """Loads `model.backbone.weights`, if any."""
    if not config.weights:
        logger.info("model.backbone.weights is empty: the backbone starts from random weights")
        return
    logger.info("%s", load_backbone(backbone, fetch_weights(config.weights, sha256=config.weights_sha256)))


def announce(config: Config, dataset: Dataset, plan: Plan, folder: Path) -> None:
    """One line each about data, length and learning rate."""
    schedule = config.train.schedule
    logger.info("run folder %s", folder)
    logger.info("%d images, %d classes", len(dataset.records), len(dataset.classes))
    logger.info(
        "%d steps of %d images, %d steps an epoch", plan.total_steps, global_batch(config.train), plan.steps_per_epoch
    )
    scaled = f"base_lr {schedule.base_lr:g} x {global_batch(config.train)} / {schedule.reference_batch} images"
    logger.info(
        "learning rate %g after warm-up (%s)",
        peak_learning_rate(config.train),
        scaled if schedule.scale_lr else "base_lr, not scaled to the batch",
    )


def evaluation(
    evaluator: SplitEvaluator,
    detector: TwoStageDetector,
    average: ParameterAverage | None,
    step: TrainStep | AccumulatingStep,
    folder: Path,
) -> Evaluate:
    """Evaluates the detector as it is now, with the average of its parameters where there is one, into the run folder,
    and goes back to training."""
    predict = NumpyPredictor(detector=detector)

    def evaluate(epoch: int) -> Mapping[str, float]:
        logger.info("evaluating after epoch %d", epoch)
        with applied(average):
            metrics = headline(evaluator.run(predict, folder / "eval"))
        step.set_train(True)
        logger.info("%s", " ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return metrics

    return evaluate
