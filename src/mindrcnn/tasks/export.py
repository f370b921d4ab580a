"""Export of a checkpoint's detector as one file."""

import logging
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.build.device import set_device
from mindrcnn.build.trained_model import open_checkpoint, restore_detector
from mindrcnn.config.run import Config
from mindrcnn.data.batching.buckets import INPUT_STRIDE, padded_size
from mindrcnn.engine.checkpoints.checkpoint import Checkpoint
from mindrcnn.engine.tracking.logging_setup import setup_logging
from mindrcnn.errors import InputError
from mindrcnn.exit_status import EXIT_OK
from mindrcnn.exported.card import KEY, Card, make_card
from mindrcnn.exported.runtime import INPUTS, import_package
from mindrcnn.models.detector import Predictor
from mindrcnn.native.switch import portable_only
from mindrcnn.obtain import checkpoint_file
from mindrcnn.outputs import Output, never, protect

logger = logging.getLogger(__name__)

Format = Literal["ONNX", "MINDIR", "AIR"]
Shape = tuple[int, int, int]  # batch, height, width


def export(
    source: Path,
    overrides: Sequence[str],
    *,
    file_format: Format,
    out: Path | None,
    size: tuple[int, int] | None,
    batch: int | None,
    force: bool = False,
) -> int:
    """Writes the detector's predict as one file; returns the exit status.

    source: the checkpoint, or a published model's name.
    overrides: configuration keys to change.
    file_format: ONNX, MINDIR, or AIR on Ascend.
    out: file to write; None is the checkpoint's name with the suffix of the format, or the model's in the working
        folder.
    size: (height, width) of the input; None is the first bucket, or any with ONNX.
    batch: number of images per call; None is 1, or any with ONNX.
    force: whether an existing file may be replaced.
    """
    setup_logging()
    suffix = f".{file_format.lower()}"
    if not source.name:
        raise InputError(f"checkpoint: wanted an existing .ckpt file, got {source}")
    checkpoint = checkpoint_file(source)
    target = out or (source if source == checkpoint else Path(source.name)).with_suffix(suffix)
    if target.suffix != suffix:
        raise InputError(f"--out: wanted a file name ending in {suffix}, got {target}")
    protect([Output(target, never)], inputs=[checkpoint], force=force)
    loaded, config = open_checkpoint(checkpoint, overrides)
    require_exportable(config, file_format)
    if file_format == "AIR":
        logger.warning("MindSpore deprecates AIR and will remove it; MINDIR with MindSpore Lite takes its place")
    shape = input_shape(config, file_format, size, batch)
    write = write_onnx if file_format == "ONNX" else write_compiled
    write(loaded, config, target, shape)
    wanted = "any" if shape is None else "{} x 3 x {} x {}".format(*shape)
    logger.info("wrote %s: images of shape %s", target, wanted)
    return EXIT_OK


def require_exportable(config: Config, file_format: Format) -> None:
    """Raises InputError for AIR on a device other than Ascend, and for a model without fixed shapes but with ONNX."""
    if file_format == "AIR" and config.device.target != "Ascend":
        raise InputError(f"--format AIR: wanted device.target=Ascend, got {config.device.target}")
    if file_format != "ONNX" and config.model.mask is not None and config.model.mask.dynamic:
        raise InputError("model.mask.dynamic: wanted false for an export, which has fixed shapes, got true")


def input_shape(config: Config, file_format: Format, size: tuple[int, int] | None, batch: int | None) -> Shape | None:
    """Returns the shape to fix, None for any.

    Raises InputError unless the backbone's stride divides both sides and there is an image in a batch.
    """
    if size is None and file_format == "ONNX":
        if batch is not None:
            raise InputError("--batch: wanted --height and --width with it; without them an ONNX file takes any batch")
        return None
    height, width = size or config.data.input_sizes[0]
    if height < INPUT_STRIDE or width < INPUT_STRIDE or height % INPUT_STRIDE or width % INPUT_STRIDE:
        raise InputError(f"--height, --width: wanted multiples of {INPUT_STRIDE}, got {height} and {width}")
    batch = 1 if batch is None else batch
    if batch < 1:
        raise InputError(f"--batch: wanted at least 1, got {batch}")
    return batch, height, width


def describe(checkpoint: Checkpoint, config: Config, shape: Shape | None) -> Card:
    """Returns the card of the file; its configuration has float32 predictions, and a fixed shape is its only bucket."""
    config = replace(config, eval=replace(config.eval, precision="float32"))
    if shape is not None:
        batch, height, width = shape
        fixed = (height, width)
        bucket = next((bucket for bucket in config.data.buckets if padded_size(bucket) == fixed), fixed)
        data = replace(config.data, buckets=(bucket,))
        config = replace(config, data=data, eval=replace(config.eval, batch_size=batch))
    info = checkpoint.info
    fixed_batch = None if shape is None else shape[0]
    return make_card(config, classes=info.classes, category_ids=info.category_ids, batch=fixed_batch)


def write_onnx(checkpoint: Checkpoint, config: Config, target: Path, shape: Shape | None) -> None:
    """Writes an ONNX file, whole or not at all. Nothing is compiled, and no device but the CPU is needed."""
    import_package("onnx", "onnx")
    from mindrcnn.onnx_export.detector import build_onnx

    detector = restore_detector(checkpoint, on_cpu(config))
    model = build_onnx(detector, shape=shape, metadata={KEY: describe(checkpoint, config, shape).to_json()})
    with replacing(target) as temporary:
        temporary.write_bytes(model.SerializeToString())


def on_cpu(config: Config) -> Config:
    """Returns the configuration for a CPU, which has no float16."""
    return replace(
        config,
        device=replace(config.device, target="CPU", id=0),
        train=replace(config.train, precision="float32"),
        eval=replace(config.eval, precision="float32"),
    )


def write_compiled(checkpoint: Checkpoint, config: Config, target: Path, shape: Shape | None) -> None:
    """Compiles the model and writes a MINDIR or AIR file."""
    assert shape is not None
    set_device(config.device, config.train.seed)
    predictor = Predictor(detector=restore_detector(checkpoint, config))
    batch, height, width = shape
    write_model(predictor, target, (batch, 3, height, width), describe(checkpoint, config, shape))


def write_model(predictor: Predictor, target: Path, shape: tuple[int, int, int, int], card: Card) -> None:
    """Compiles the model and writes the file whole or not at all; a MINDIR file has a card.

    Raises InputError if it cannot be written.
    """
    images = Tensor.from_numpy(np.zeros(shape, np.uint8))
    image_sizes = Tensor.from_numpy(np.full((shape[0], 2), shape[2:], np.int32))
    predictor.set_train(False)
    paths.make_folder(target.parent)
    file_format = target.suffix.removeprefix(".").upper()
    settings: dict[str, Any] = {"custom_func": finish_with(card)} if file_format == "MINDIR" else {}
    with replacing(target) as temporary, portable_only():
        ms.export(predictor, images, image_sizes, file_name=str(temporary), file_format=file_format, **settings)
        os.chmod(
            temporary, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH
        )  # MindSpore leaves the file read-only


def finish_with(card: Card) -> Callable[[Any], None]:
    """Returns a function that adds a card to MindSpore's model, and names its inputs: its own names are arbitrary."""

    def finish(model: Any) -> None:
        names = {value.name: name for value, name in zip(model.graph.input, INPUTS, strict=True)}
        for value in model.graph.input:
            value.name = names[value.name]
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = names.get(name, name)
        model.user_info.add(key=KEY, value=card.to_json())

    return finish
