"""Going on with a training that was stopped or killed, exactly where its last checkpoint left it.

What a step does is a function of the parameters, the optimizer's state, the step number and the seed: batches and
sampling noise are drawn anew from the last two, so a checkpoint that holds the first three holds everything.
"""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoint import Checkpoint, load_checkpoint
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


def keep_previous(folder: Path) -> None:
    """Gives last.ckpt the second name previous.ckpt, so that a new last.ckpt does not end it."""
    last = folder / LAST
    if not last.is_file():
        return
    with replacing(folder / PREVIOUS) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(last, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(last, temporary)


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


def best_so_far(folder: Path, metric: str) -> float:
    """`metric` of best.ckpt; minus infinity without one."""
    path = folder / BEST
    return load_checkpoint(path).info.metrics[metric] if path.is_file() else -np.inf


def load_optimizer(optimizer: nn.Optimizer, checkpoint: Checkpoint) -> None:
    """Copies momentum and step count. InputError, with the optimizer untouched, where the trained parameters differ."""
    own = {parameter.name: parameter for parameter in optimizer.get_parameters()}
    foreign = [name for name in checkpoint.optimizer if name not in own]
    momenta = [name for name in own if name.startswith("accum.")]
    missing = [name for name in momenta if name not in checkpoint.optimizer]
    if foreign or missing:
        raise InputError(
            f"{checkpoint.path}: wanted the state of an optimizer of the same parameters ({len(momenta)} train), got "
            f"{len(missing)} fewer and {len(foreign)} others, such as {(missing + foreign)[0]}: do train.freeze and "
            "model.backbone.frozen_stages say what they said?"
        )
    for name, value in checkpoint.optimizer.items():
        own[name].set_data(value)
    for name, parameter in own.items():
        if name.startswith("stat."):  # nn.SGD's mark of a momentum buffer that is yet to be filled; 0 after a step
            parameter.set_data(Tensor(np.zeros(parameter.shape, np.float32)))
