"""The run that train.py --resume goes on with."""

import logging
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.config.loader import dump_config, parse_config
from mindrcnn.config.run import Config
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint
from mindrcnn.engine.checkpoints.run_folder import latest_run_folder
from mindrcnn.engine.tracking.metrics_log import MetricsLog
from mindrcnn.engine.tracking.recorder import METRICS
from mindrcnn.engine.trainer import Plan, Progress
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)


def begun_run(runs: Path, run_dir: Path | None, name: str) -> Path | None:
    """The folder of the run to resume, `run_dir` or the latest of that name in `runs`; None where it has not begun.

    InputError for a folder of something else.
    """
    folder = latest_run_folder(runs, name) if run_dir is None else run_dir.resolve()
    if folder is None or not (folder.is_dir() and any(folder.iterdir())):
        return None
    if not (folder / "config.yaml").is_file():
        raise InputError(f"--resume: wanted the folder of a training run, got {folder}, which has no config.yaml")
    return folder


def resumed_progress(checkpoint: Checkpoint, config: Config, plan: Plan, world_size: int) -> Progress:
    """How far the run came. InputError where the data would come in another order from here on.

    Another number of processes is fine as long as together they take as many images a step.
    """
    info = checkpoint.info
    before = parse_config(info.config_yaml, str(checkpoint.path))
    for key, was, now in (
        (
            "train.batch_size" if info.world_size == world_size == 1 else "train.batch_size x processes",
            before.train.batch_size * info.world_size,
            config.train.batch_size * world_size,
        ),
        ("train.accumulate", before.train.accumulate, config.train.accumulate),
        ("train.seed", before.train.seed, config.train.seed),
        ("steps of an epoch", info.steps_per_epoch, plan.steps_per_epoch),
    ):
        if was != now:
            raise InputError(f"--resume: {checkpoint.path}: {key}: wanted {was}, as the run began, got {now}")
    said = info.config_yaml.splitlines()
    changed = [line.strip() for line in dump_config(config).splitlines() if line not in said]
    if changed:
        logger.warning("resuming with other settings than before: %s", "; ".join(changed))
    # The checkpoint may have been saved before the evaluation after its step; the log then knows more.
    metrics = MetricsLog(checkpoint.path.parent / METRICS).last_evaluation(info.step) or info.metrics
    return Progress(epoch=info.epoch, step=info.step, metrics=metrics)


def take_up(folder: Path, config: Config, step: int) -> None:
    """Brings the files of a run folder to the step that the training goes on from."""
    write_text(folder / "config.yaml", dump_config(config))
    MetricsLog(folder / METRICS).forget_after(step)
