"""What a training tells while it runs, set up as the configuration says."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mindrcnn.config import Config
from mindrcnn.engine.metrics_log import MetricsLog, read_rows
from mindrcnn.engine.recorder import METRICS, Recorder
from mindrcnn.engine.sinks import open_sinks
from mindrcnn.engine.trainer import Plan


def build_recorder(
    config: Config,
    plan: Plan,
    learning_rates: np.ndarray,
    loss_names: tuple[str, ...],
    *,
    folder: Path,
    pictures: Sequence[Path],
    resumed_after: int | None,
) -> Recorder:
    """The recorder of a run folder with the sinks of `train.log_to`.

    resumed_after: the step that a resumed training goes on after; rows of later steps are dropped, as they come again.
    """
    log = MetricsLog(folder / METRICS)
    if resumed_after is not None:
        log.forget_after(resumed_after)
    sinks = open_sinks(
        config.train.log_to,
        folder=folder,
        run_name=folder.name,
        rows=read_rows(log.path),
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
