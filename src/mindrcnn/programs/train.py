"""Training: from a configuration file to a run folder with checkpoints, log, metrics and curves."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mindspore import nn

from mindrcnn.build import (
    build_dataset,
    build_detector,
    build_learning_rates,
    build_optimizer,
    build_plan,
    build_train_loader,
    peak_learning_rate,
)
from mindrcnn.config import Config
from mindrcnn.config_loader import dump_config, load_config
from mindrcnn.config_model import BackboneConfig
from mindrcnn.data.record import Dataset
from mindrcnn.engine.averaging import average_statistics
from mindrcnn.engine.checkpoint import Checkpoint, CheckpointInfo, load_checkpoint, load_into, save_checkpoint
from mindrcnn.engine.feed import BatchFeed
from mindrcnn.engine.logging_setup import setup_logging
from mindrcnn.engine.param_groups import freeze
from mindrcnn.engine.ranks import Ranks
from mindrcnn.engine.resume import best_so_far, keep_previous, load_optimizer, newest_checkpoint
from mindrcnn.engine.run_folder import create_run_folder
from mindrcnn.engine.train_step import TrainStep
from mindrcnn.engine.trainer import Evaluate, Plan, Progress, Save, Trainer
from mindrcnn.engine.weights import fetch_weights
from mindrcnn.errors import InputError
from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from mindrcnn.models.pretrained import load_backbone
from mindrcnn.ops.sample_count import SampleCount, at_least_one
from mindrcnn.programs.common import EXIT_OK
from mindrcnn.programs.evaluation import SplitEvaluator, headline
from mindrcnn.programs.job import build_recorder, gradient_reduction, join_job, open_log, sample_count, together
from mindrcnn.programs.resumed_run import begun_run, resumed_progress, take_up
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
    ranks = join_job(config.device, config.train.seed)
    begun = ranks.from_first(lambda: begun_run(RUNS, run_dir, config.name)) if resume else None
    checkpoint = None if begun is None else newest_checkpoint(begun)
    new = ranks.from_first(lambda: chosen_folder(run_dir, config.name)) if begun is None else begun
    dataset = build_dataset(config.data, config.data.train, "data.train")
    config = replace(config, data=replace(config.data, classes=dataset.classes))
    evaluator = build_evaluator(config, ranks)
    loader = build_train_loader(config, dataset, rank=ranks.rank, world_size=ranks.size)
    detector = build_initialised_detector(config, len(dataset.classes), checkpoint, sample_count(ranks))

    plan = build_plan(config.train, loader.steps_per_epoch())
    learning_rates = build_learning_rates(config.train, plan, world_size=ranks.size)
    optimizer = build_optimizer(config.train, detector, learning_rates)
    progress = Progress()
    if checkpoint is not None:
        progress = resumed_progress(checkpoint, config, plan, ranks.size)
        load_optimizer(optimizer, checkpoint)
    folder = begun or ranks.from_first(lambda: create_run_folder(new.parent, new.name, config_yaml=dump_config(config)))
    open_log(folder, ranks)
    announce(config, dataset, plan, folder, ranks.size)
    if begun is not None:
        logger.info("resumed after step %d of %d", progress.step, plan.total_steps)
        ranks.from_first(lambda: take_up(folder, config, progress.step))
    step = TrainStep(
        network=TrainingLosses(detector=detector),
        optimizer=optimizer,
        clip_norm=config.train.optimizer.clip_norm,
        reduce_gradients=gradient_reduction(ranks),
    )
    trainer = Trainer(
        step=together(step, ranks),
        loader=loader,
        feed=BatchFeed(
            noise_shapes=detector.noise_shapes, seed=config.train.seed, rank=ranks.rank, world_size=ranks.size
        ),
        plan=plan,
        loss_names=detector.loss_names,
        recorder=build_recorder(config, folder, detector.loss_names, learning_rates, plan, ranks),
        save=saver(config, dataset, detector, optimizer, folder, plan.steps_per_epoch, ranks),
        evaluate=None if evaluator is None else evaluation(evaluator, detector, step, folder),
        best_metric=best_metric(config),
        progress=progress,
        best=best_so_far(folder, best_metric(config)),
        ranks=ranks,
    )
    trainer.run()
    ranks.wait()
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


def build_evaluator(config: Config, ranks: Ranks) -> SplitEvaluator | None:
    """Reads the validation split before training starts, so that its faults cost nothing; None where there is none."""
    split = config.data.val
    if not (split.name or split.annotations):
        return None
    return SplitEvaluator(config=config, dataset=build_dataset(config.data, split, "data.val"), ranks=ranks)


def build_initialised_detector(
    config: Config, num_classes: int, resumed: Checkpoint | None = None, count: SampleCount = at_least_one
) -> TwoStageDetector:
    """The detector with the weights that training starts or goes on from, and its frozen parameters frozen."""
    detector = build_detector(config.model, num_classes, sample_count=count)
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


def announce(config: Config, dataset: Dataset, plan: Plan, folder: Path, world_size: int) -> None:
    """One line each about data, length and learning rate."""
    schedule, global_batch = config.train.schedule, config.train.batch_size * world_size
    logger.info("run folder %s", folder)
    logger.info("%d images, %d classes", len(dataset.records), len(dataset.classes))
    if world_size > 1:
        logger.info("%d processes of %d images a step", world_size, config.train.batch_size)
    logger.info("%d steps of %d images, %d steps an epoch", plan.total_steps, global_batch, plan.steps_per_epoch)
    scaled = f"base_lr {schedule.base_lr:g} x {global_batch} / {schedule.reference_batch} images"
    logger.info(
        "learning rate %g after warm-up (%s)",
        peak_learning_rate(config.train, world_size=world_size),
        scaled if schedule.scale_lr else "base_lr, not scaled to the batch",
    )


def best_metric(config: Config) -> str:
    """Name of the metric that decides which checkpoint is best."""
    chosen = config.eval.best_metric
    if chosen == "auto":
        chosen = "bbox" if config.model.mask is None else "segm"
    return f"{chosen}_AP"


def saver(
    config: Config,
    dataset: Dataset,
    detector: TwoStageDetector,
    optimizer: nn.Optimizer,
    folder: Path,
    steps_per_epoch: int,
    ranks: Ranks,
) -> Save:
    """Writes last.ckpt or best.ckpt into the run folder; the last.ckpt before becomes previous.ckpt.

    Of several processes the first writes, and the others wait. They also agree on the statistics of batch norms then,
    so that each evaluates what is saved.
    """
    config_yaml = dump_config(config)

    def write(which: Literal["last", "best"], progress: Progress) -> None:
        info = CheckpointInfo(
            config_yaml=config_yaml,
            classes=dataset.classes,
            category_ids=dataset.category_ids,
            epoch=progress.epoch,
            step=progress.step,
            steps_per_epoch=steps_per_epoch,
            metrics=dict(progress.metrics),
            world_size=ranks.size,
        )
        if which == "last":
            keep_previous(folder)
        save_checkpoint(folder / f"{which}.ckpt", network=detector, info=info, optimizer=optimizer)

    def save(which: Literal["last", "best"], progress: Progress) -> None:
        average_statistics(detector, ranks)
        ranks.from_first(lambda: write(which, progress))

    return save


def evaluation(evaluator: SplitEvaluator, detector: TwoStageDetector, step: TrainStep, folder: Path) -> Evaluate:
    """Evaluates the detector as it is now, into the run folder, and goes back to training."""
    predict = NumpyPredictor(detector=detector)

    def evaluate(epoch: int) -> Mapping[str, float]:
        logger.info("evaluating after epoch %d", epoch)
        metrics = headline(evaluator.run(predict, folder / "eval"))
        step.set_train(True)
        logger.info("%s", " ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return metrics

    return evaluate
