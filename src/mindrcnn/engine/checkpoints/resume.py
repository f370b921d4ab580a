"""Going on with a training that was stopped or killed, exactly where its last checkpoint left it.

What a step does is a function of the parameters, their average, the optimizer's state, the loss scale, the step number
and the seed: batches and sampling noise are drawn anew from the last two, so a checkpoint that holds the others and the
step holds everything. Checkpoints are saved between optimizer steps, never between the batches of one.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mindspore import nn

from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, optimizer_state
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


def keep_previous(folder: Path) -> None:
    """Gives last.ckpt the second name previous.ckpt, so that a new last.ckpt does not end it."""
    if (folder / LAST).is_file():
        second_name(folder / LAST, folder / PREVIOUS)


def second_name(file: Path, name: Path) -> None:
    """Makes the file's contents available under `name` too, at no cost where the file system has hard links."""
    with replacing(name) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(file, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(file, temporary)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """last.ckpt of a run folder, or previous.ckpt where that is missing or damaged; None where there is neither.

    Raises InputError where there are checkpoints but none is whole.
    """
    present = [folder / name for name in (LAST, PREVIOUS) if (folder / name).is_file()]
    for path in present:
        try:
            return load_checkpoint(path)
        except InputError as error:
            if path == present[-1]:
                raise
            logger.warning("%s; going on from %s", error, PREVIOUS)
    return None


def best_so_far(folder: Path, metric: str, evaluations: Sequence[float]) -> float:
    """The largest of the metrics of the evaluations that were finished; without any, `metric` of best.ckpt.

    An evaluation that was killed may have saved best.ckpt already. It is repeated, and is then the best again.
    """
    path = folder / BEST
    if evaluations:
        return max(evaluations)
    return load_checkpoint(path).info.metrics[metric] if path.is_file() else -np.inf


def load_optimizer(optimizer: nn.Optimizer, checkpoint: Checkpoint) -> None:
    """Copies moments and step count. InputError, with the optimizer untouched, where the trained parameters differ."""
    own = {parameter.name: parameter for parameter in optimizer_state(optimizer)}
    foreign = [name for name in checkpoint.optimizer if name not in own]
    missing = [name for name in own if name not in checkpoint.optimizer]
    if foreign or missing:
        raise InputError(
            f"{checkpoint.path}: wanted the state of an optimizer of the same parameters ({len(own)} entries), got "
            f"{len(missing)} fewer and {len(foreign)} others, such as {(missing + foreign)[0]}: do "
            "train.optimizer.type, train.freeze and model.backbone.frozen_stages say what they said?"
        )
    for name, value in checkpoint.optimizer.items():
        own[name].set_data(value)
