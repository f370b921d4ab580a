"""Checkpoints: one .ckpt file with parameters, optimizer state, configuration and classes.

Entries of the file: every network parameter under its own name; `optimizer.*` for moments and step count;
`mindrcnn.info`, a JSON text as UTF-8 bytes; and last the checksum (checksum.py). When a run averages its parameters,
the averages carry the parameters' names, because they are what is evaluated and used, and the parameters being trained
are `trained.*`. Plain `mindspore.load_checkpoint` reads the file too. Loading verifies the checksum first, so a
truncated or altered file is an error and is never loaded in part.
"""

import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoints.checksum import DIGEST_NAME, append_digest, verify_digest
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.errors import InputError

INFO_NAME = "mindrcnn.info"
OPTIMIZER_PREFIX = "optimizer."
TRAINED_PREFIX = "trained."
# Only these parameters of an optimizer hold state that cannot be rebuilt: moments (SGD's, then AdamW's) and counts. The
# list of learning rates is left out on purpose: it would override a new schedule.
_OPTIMIZER_STATE = ("accum.", "moment1.", "moment2.", "global_step", "updates")
_DIFFERENCES_SHOWN = 10  # in a message


@dataclass(frozen=True)
class CheckpointInfo:
    """The description that a checkpoint carries of itself.

    Attributes:
        config_yaml: the resolved configuration.
        classes: names; classes[i] has label i + 1.
        category_ids: the data set's ids of the classes, in the same order.
        epoch: completed epochs.
        step: completed steps.
        steps_per_epoch: 0 for a checkpoint that no training run wrote.
        metrics: those of the last evaluation; empty before the first.
        loss_scale: state of a LossScaler; empty without one.
        world_size: number of processes that trained, each with the configuration's train.batch_size.
    """

    config_yaml: str
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    epoch: int
    step: int
    steps_per_epoch: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    loss_scale: dict[str, float] = field(default_factory=dict)
    world_size: int = 1


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        path: the file.
        parameters: those that evaluation and inference use, by name.
        optimizer: the optimizer's state under its own names ("accum.NAME", "global_step").
        trained: those that training continues with, under the same names, where `parameters` holds averages of them.
        info: the checkpoint's description of itself.
    """

    path: Path
    parameters: dict[str, Parameter]
    optimizer: dict[str, Parameter]
    trained: dict[str, Parameter]
    info: CheckpointInfo


def save_checkpoint(
    path: Path,
    *,
    network: nn.Cell,
    info: CheckpointInfo,
    optimizer: nn.Optimizer | None = None,
    average: ParameterAverage | None = None,
) -> None:
    """Writes a checkpoint, whole or not at all.

    path: its name, ending in .ckpt.
    network: its parameters are saved under their names.
    info: the description to store.
    optimizer: saved with its moments and counts when given.
    average: its averages take the parameters' names when given.
    Raises InputError when the file cannot be written.
    """
    averages = {} if average is None else average.by_name()
    parameters = list(network.get_parameters())
    entries = [{"name": one.name, "data": averages.get(one.name, one)} for one in parameters]
    entries += [{"name": TRAINED_PREFIX + one.name, "data": one} for one in parameters if one.name in averages]
    if optimizer is not None:
        entries += [{"name": OPTIMIZER_PREFIX + state.name, "data": state} for state in optimizer_state(optimizer)]
    text = json.dumps(asdict(info)).encode()
    entries.append({"name": INFO_NAME, "data": Tensor.from_numpy(np.frombuffer(text, np.uint8).copy())})
    with replacing(path) as temporary, _quiet_mindspore():
        # MindSpore deletes an existing target, writes NAME.tmp and renames it, so it must not get the final name
        try:
            ms.save_checkpoint(entries, str(temporary))
        finally:
            temporary.with_suffix(".tmp").unlink(missing_ok=True)
        # MindSpore leaves the file read-only
        os.chmod(temporary, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
        append_digest(temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a file written by `save_checkpoint`. Raises InputError if it is missing, truncated, damaged or foreign."""
    if path.suffix != ".ckpt" or not paths.is_file(path):
        raise InputError(f"checkpoint: wanted an existing .ckpt file, got {path}")
    try:
        verify_digest(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    entries = ms.load_checkpoint(str(path))
    del entries[DIGEST_NAME]
    info = _parse_info(path, entries.pop(INFO_NAME).asnumpy().tobytes())
    optimizer, trained = (_pop_prefixed(entries, prefix) for prefix in (OPTIMIZER_PREFIX, TRAINED_PREFIX))
    return Checkpoint(path=path, parameters=entries, optimizer=optimizer, trained=trained, info=info)


def _pop_prefixed(entries: dict[str, Parameter], prefix: str) -> dict[str, Parameter]:
    """Removes the entries whose names begin with `prefix` and returns them under the rest of their names."""
    return {name.removeprefix(prefix): entries.pop(name) for name in list(entries) if name.startswith(prefix)}


def load_into(network: nn.Cell, checkpoint: Checkpoint, *, except_part: str | None = None) -> None:
    """Copies the checkpoint's parameters into the network.

    except_part: parameters whose names begin with this are ignored on both sides.
    Raises InputError that lists the differences, with the network untouched, when names, shapes or types differ.
    """
    wanted = _exclude({parameter.name: parameter for parameter in network.get_parameters()}, except_part)
    differences = list(_differences(wanted, _exclude(checkpoint.parameters, except_part)))
    if differences:
        listed = "\n".join(f"  {line}" for line in differences[:_DIFFERENCES_SHOWN])
        more = f"\n  and {len(differences) - _DIFFERENCES_SHOWN} more" if len(differences) > _DIFFERENCES_SHOWN else ""
        raise InputError(
            f"{checkpoint.path}: {len(differences)} parameters do not fit this model; was the checkpoint trained with "
            f"another model or class list ({len(checkpoint.info.classes)} classes)?\n{listed}{more}"
        )
    for name, parameter in wanted.items():
        parameter.set_data(checkpoint.parameters[name])


def _exclude(parameters: Mapping[str, Parameter], part: str | None) -> Mapping[str, Parameter]:
    if part is None:
        return parameters
    return {name: parameter for name, parameter in parameters.items() if not name.startswith(part)}


def _differences(wanted: Mapping[str, Parameter], got: Mapping[str, Parameter]) -> Iterator[str]:
    """Yields one line per parameter that differs; changed shapes and types come first, as they explain the most."""
    for name in wanted:
        if name in got and _signature(wanted[name]) != _signature(got[name]):
            yield f"{name}: wanted {_signature(wanted[name])}, got {_signature(got[name])}"
    for name in wanted:
        if name not in got:
            yield f"{name}: missing from the checkpoint, wanted {_signature(wanted[name])}"
    for name in got:
        if name not in wanted:
            yield f"{name}: unexpected, not in this model, got {_signature(got[name])}"


def _signature(parameter: Parameter) -> str:
    return f"{str(parameter.dtype).lower()}{tuple(parameter.shape)}"


def optimizer_state(optimizer: nn.Optimizer) -> list[Parameter]:
    """Returns the optimizer's parameters that a checkpoint keeps."""
    return [parameter for parameter in optimizer.get_parameters() if parameter.name.startswith(_OPTIMIZER_STATE)]


def _parse_info(path: Path, text: bytes) -> CheckpointInfo:
    """Reads the JSON text. Raises InputError when its fields are those of another version of this package."""
    fields: dict[str, Any] = json.loads(text)
    try:
        tuples = {name: tuple(fields[name]) for name in ("classes", "category_ids")}
        return CheckpointInfo(**{**fields, **tuples})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: written by another version of MindRCNN ({error})") from error


@contextmanager
def _quiet_mindspore() -> Iterator[None]:
    """Suppresses MindSpore's own CRITICAL line about a failed save, which the InputError reports already."""
    logger = logging.getLogger(f"ME.mindspore.log.{os.getpid()}")
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    return False
