"""The checkpoints that a training run writes into its folder, and their metadata."""

from pathlib import Path
from typing import Literal

from mindrcnn.config.loader import dump_config
from mindrcnn.config.run import Config
from mindrcnn.data.record import Dataset
from mindrcnn.engine.checkpoints.checkpoint import CheckpointInfo
from mindrcnn.engine.checkpoints.resume import keep_previous
from mindrcnn.engine.checkpoints.retention import KeptCheckpoints, Write
from mindrcnn.engine.distributed.collectives import average_statistics
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.step.training_state import TrainingState
from mindrcnn.engine.trainer import Progress


class RunCheckpoints:
    """last.ckpt and best.ckpt, previous.ckpt (the last.ckpt before), and those that the configuration asks to keep.

    Of several processes the first writes while the others wait. Before that they average the statistics of their batch
    norms, so that each evaluates what is saved.
    """

    def __init__(
        self, *, config: Config, dataset: Dataset, plan: Plan, state: TrainingState, folder: Path, ranks: Ranks
    ) -> None:
        self.folder = folder
        self.state = state
        self.ranks = ranks
        self.write = checkpoint_writer(config, dataset, plan, state, ranks.size)
        self.kept = KeptCheckpoints(
            folder=folder,
            write=self.write,
            metric=best_metric(config),
            last=config.train.keep_last,
            best=config.train.keep_best,
        )

    def save(self, which: Literal["last", "best"], progress: Progress) -> None:
        """Saves last.ckpt or best.ckpt."""
        average_statistics(self.state.network, self.state.average, self.ranks)
        self.ranks.from_first(lambda: self._save(which, progress))

    def record_evaluation(self, progress: Progress) -> None:
        """Keeps the state as a checkpoint of its own if it is among the best so far."""
        self.ranks.from_first(lambda: self.kept.keep_best(progress))

    def _save(self, which: Literal["last", "best"], progress: Progress) -> None:
        if which == "last":
            keep_previous(self.folder)
        self.write(self.folder / f"{which}.ckpt", progress)
        if which == "last":
            self.kept.keep_newest(progress)


def checkpoint_writer(config: Config, dataset: Dataset, plan: Plan, state: TrainingState, world_size: int) -> Write:
    """Returns a function that saves the state with the configuration and classes of the run.

    config: the configuration, stored as YAML.
    dataset: the classes and category ids.
    plan: steps of an epoch.
    state: the state to save.
    world_size: number of processes.
    """
    config_yaml = dump_config(config)

    def write(path: Path, progress: Progress) -> None:
        info = CheckpointInfo(
            config_yaml=config_yaml,
            classes=dataset.classes,
            category_ids=dataset.category_ids,
            epoch=progress.epoch,
            step=progress.step,
            steps_per_epoch=plan.steps_per_epoch,
            metrics=dict(progress.metrics),
            loss_scale=state.loss_scale.state(),
            world_size=world_size,
        )
        state.save(path, info)

    return write


def best_metric(config: Config) -> str:
    """Returns the name of the metric that decides which checkpoint is best."""
    kind = config.eval.best_metric
    if kind == "auto":
        kind = "segm" if config.model.mask is not None and config.train.mask_branch else "bbox"
    return f"{kind}_AP"
