"""Checkpoints by name: a published model is downloaded, converted and kept; a file stays what it is.

MindSpore is imported only where something has to be converted.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from mindrcnn import __version__, paths
from mindrcnn.atomic import locked
from mindrcnn.cache import CACHE_VARIABLE, cache_folder
from mindrcnn.config.run import Config
from mindrcnn.errors import InputError
from mindrcnn.published.table import PublishedModel, find_published, near_names, require_known

EVALUATED = "evaluated"  # folder for the results of models that are given by name
_KEY_DIGITS = 8


def checkpoint_file(source: str | Path) -> Path:
    """Returns the checkpoint of a published model, given by name, or the path as it is.

    A file or folder of that name takes precedence. Raises InputError for a mistyped name, a backbone, and a download or
    conversion that fails.
    """
    path = paths.expand(source)
    if paths.exists(path):
        return path
    model = find_published(str(source))
    if model is not None:
        return _converted(model)
    require_known(str(source))
    return path


def with_local_checkpoint(config: Config) -> Config:
    """Returns the configuration with the file of `train.init_checkpoint`, which may be a name."""
    given = config.train.init_checkpoint
    return (
        replace(config, train=replace(config.train, init_checkpoint=str(checkpoint_file(given)))) if given else config
    )


def output_folder(source: Path, checkpoint: Path, split: str) -> Path:
    """Returns the folder for a split's results: beside a checkpoint, in the working folder for a published model."""
    suffix = "" if split == "val" else f"_{split}"
    return checkpoint.parent / f"eval{suffix}" if source == checkpoint else Path(f"{EVALUATED}{suffix}") / source


def _converted(model: PublishedModel) -> Path:
    """Returns the checkpoint in the cache, and makes it if need be; of several processes one makes it."""
    if model.kind != "detector":
        raise InputError(
            f"{model.name}: wanted a detector, got a backbone, which model.backbone.weights takes"
            f"{near_names(f'{model.library}/mask_rcnn')}"
        )
    file = _place(model)
    if not paths.is_file(file):
        try:
            paths.make_folder(file.parent)
        except InputError as error:
            raise InputError(f"{error}; {CACHE_VARIABLE} names another cache") from error
        with locked(file.parent):
            if not paths.is_file(file):
                from mindrcnn.convert.conversion import convert_published

                convert_published(model, file)
    return file


def _place(model: PublishedModel) -> Path:
    """Returns the file's place, another one if what it is made of or the software that makes it has changed."""
    made_of = "\n".join((model.url, model.digest, model.style, str(model.norm_eps), *model.overrides, __version__))
    key = hashlib.sha256(made_of.encode()).hexdigest()[:_KEY_DIGITS]
    return cache_folder("models") / f"{model.name}-{key}.ckpt"
