"""Export of a checkpoint's detector as one file with fixed input shapes."""

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.build.device import set_device
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.config.data import INPUT_STRIDE
from mindrcnn.config.run import Config
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.models.detector import Predictor
from mindrcnn.native.switch import portable_only
from mindrcnn.outputs import Output, never, protect

logger = logging.getLogger(__name__)

Format = Literal["MINDIR", "AIR"]


def export(
    checkpoint_file: Path,
    overrides: Sequence[str],
    *,
    file_format: Format,
    out: Path | None,
    size: tuple[int, int] | None,
    batch: int,
    force: bool = False,
) -> int:
    """Writes the detector's predict as one file with fixed input shapes; returns the exit status.

    checkpoint_file: the checkpoint.
    overrides: configuration keys to change.
    file_format: MINDIR, or AIR on Ascend.
    out: file to write; None is the checkpoint's name with the suffix of the format.
    size: (height, width) of the input; None is the first bucket.
    batch: number of images per call.
    force: whether an existing file may be replaced.
    """
    setup_logging()
    suffix = f".{file_format.lower()}"
    if not checkpoint_file.name:
        raise InputError(f"checkpoint: wanted an existing .ckpt file, got {checkpoint_file}")
    target = out or checkpoint_file.with_suffix(suffix)
    if target.suffix != suffix:
        raise InputError(f"--out: wanted a file name ending in {suffix}, got {target}")
    protect([Output(target, never)], inputs=[checkpoint_file], force=force)
    checkpoint, config = open_checkpoint(checkpoint_file, overrides)
    require_exportable(config, file_format)
    height, width = input_size(config, size)
    if batch < 1:
        raise InputError(f"--batch: wanted at least 1, got {batch}")
    set_device(config.device, config.train.seed)
    predictor = Predictor(detector=restore_detector(checkpoint, config))
    write_model(predictor, target, file_format, (batch, 3, height, width))
    logger.info("wrote %s: %d images of height %d and width %d a call", target, batch, height, width)
    return EXIT_OK


def require_exportable(config: Config, file_format: Format) -> None:
    """Raises InputError for AIR on a device other than Ascend, and for a model without fixed shapes."""
    if file_format == "AIR" and config.device.target != "Ascend":
        raise InputError(f"--format AIR: wanted device.target=Ascend, got {config.device.target}")
    if config.model.mask is not None and config.model.mask.dynamic:
        raise InputError("model.mask.dynamic: wanted false for an export, which has fixed shapes, got true")


def input_size(config: Config, size: tuple[int, int] | None) -> tuple[int, int]:
    """Returns `size` or the first bucket. Raises InputError unless the backbone's stride divides both sides."""
    height, width = size or config.data.buckets[0]
    if height < INPUT_STRIDE or width < INPUT_STRIDE or height % INPUT_STRIDE or width % INPUT_STRIDE:
        raise InputError(f"--height, --width: wanted multiples of {INPUT_STRIDE}, got {height} and {width}")
    return height, width


def write_model(predictor: Predictor, target: Path, file_format: Format, shape: tuple[int, int, int, int]) -> None:
    """Compiles the model and writes the file whole or not at all. Raises InputError if it cannot be written."""
    images = Tensor.from_numpy(np.zeros(shape, np.uint8))
    image_sizes = Tensor.from_numpy(np.full((shape[0], 2), shape[2:], np.int32))
    predictor.set_train(False)
    paths.make_folder(target.parent)
    with replacing(target) as temporary, portable_only():
        ms.export(predictor, images, image_sizes, file_name=str(temporary), file_format=file_format)
        os.chmod(
            temporary, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
        )  # MindSpore leaves the file read-only
