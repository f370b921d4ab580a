"""Configuration to the recorder of a training run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindrcnn.config.run import Config
from mindrcnn.engine.distributed.ranks import Ranks
from mindrcnn.engine.plan import Plan
from mindrcnn.engine.tracking.metrics_log import read_rows
from mindrcnn.engine.tracking.recorder import METRICS, RankRecorder, Recorder
from mindrcnn.engine.tracking.sinks import open_sinks
from mindrcnn.engine.trainer import TrainingRecorder


def build_recorder(
    config: Config,
    plan: Plan,
    learning_rates: np.ndarray,
    loss_names: tuple[str, ...],
    *,
    folder: Path,
    pictures: Sequence[Path],
    resumed_after: int | None,
    ranks: Ranks,
) -> TrainingRecorder:
    """Builds the recorder of this process; only the first writes into the run folder and to the sinks.

    config: log interval and sinks, under `train`.
    plan: length of an epoch.
    learning_rates: (total_steps,) float32, one per step.
    loss_names: one per loss of a step.
    folder: the run folder.
    pictures: files that an evaluation draws.
    resumed_after: the last step before a resumed run continues; None for a new run.
    ranks: the processes that train together.
    """
    if not ranks.first:
        return RankRecorder(folder=folder, log_every=config.train.log_every)
    sinks = open_sinks(
        config.train.log_to,
        folder=folder,
        run_name=folder.name,
        rows=read_rows(folder / METRICS),
        resumed_after=resumed_after,
    )
    return Recorder(
        folder=folder,
        loss_names=loss_names,
        learning_rates=learning_rates,
        steps_per_epoch=plan.steps_per_epoch,
        log_every=config.train.log_every,
        sinks=sinks,
        pictures=pictures,
    )
