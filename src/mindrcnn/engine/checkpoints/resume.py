"""Exact resumption of a stopped or killed run from its last checkpoint.

A step depends on the parameters, their average, the optimizer's state, the loss scale, the step number and the seed.
Batches and sampling noise are drawn again from the last two, so a checkpoint with the others and the step number is
complete. Checkpoints are saved between optimizer steps, never between the batches of one.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mindspore import nn

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint, optimizer_state
from mindrcnn.errors import InputError

logger = logging.getLogger(__name__)

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


def keep_previous(folder: Path) -> None:
    """Keeps last.ckpt under the name previous.ckpt as well, so that a new last.ckpt does not delete it."""
    if paths.is_file(folder / LAST):
        link_or_copy(folder / LAST, folder / PREVIOUS)


def link_or_copy(file: Path, target: Path) -> None:
    """Makes the file available at `target` too: by a hard link where the file system has them, else by a copy."""
    with replacing(target) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(file, temporary)
        except OSError:  # a file system without hard links
            shutil.copyfile(file, temporary)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Loads last.ckpt of a run folder, or previous.ckpt if that is missing or damaged; None if there is neither.

    Raises InputError if there are checkpoints but all of them are damaged.
    """
    present = [folder / name for name in (LAST, PREVIOUS) if paths.is_file(folder / name)]
    for path in present:
        try:
            return load_checkpoint(path)
        except InputError as error:
            if path == present[-1]:
                raise
            logger.warning("%s; resuming from %s instead", error, PREVIOUS)
    return None


def best_so_far(folder: Path, metric: str, evaluations: Sequence[float]) -> float:
    """Returns the largest metric of the finished evaluations or, without any, `metric` of best.ckpt.

    An evaluation that was killed may have saved best.ckpt already. It is repeated and is then the best again.
    """
    path = folder / BEST
    if evaluations:
        return max(evaluations)
    return load_checkpoint(path).info.metrics[metric] if paths.is_file(path) else -np.inf


def load_optimizer(optimizer: nn.Optimizer, checkpoint: Checkpoint) -> None:
    """Copies moments and step count into the optimizer.

    Raises InputError, with the optimizer untouched, when the checkpoint is for other parameters or another optimizer.
    """
    own = {parameter.name: parameter for parameter in optimizer_state(optimizer)}
    foreign = [name for name in checkpoint.optimizer if name not in own]
    missing = [name for name in own if name not in checkpoint.optimizer]
    if foreign or missing:
        example, *_ = missing + foreign
        raise InputError(
            f"{checkpoint.path}: wanted the {len(own)} entries of this optimizer's state, got {len(missing)} fewer and "
            f"{len(foreign)} others, such as {example}; have train.optimizer.type, train.freeze or "
            "model.backbone.frozen_stages changed since the run began?"
        )
    for name, value in checkpoint.optimizer.items():
        own[name].set_data(value)
