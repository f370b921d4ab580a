"""Checkpoints: one .ckpt file holds parameters, optimizer state, configuration and classes.

Entries of the file: every network parameter under its own name; `optimizer.*` for moments and step count;
`mindrcnn.info`, a JSON text as UTF-8 bytes; and last the checksum (digest.py). Where a training averages its
parameters, the averages have the parameters' names, as they are what is evaluated and used, and the parameters that
train are `trained.*`. Plain `mindspore.load_checkpoint` reads it too. Loading verifies the checksum first, so a
truncated or altered file is an error and never a silent half.
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

from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoints.checksum import DIGEST_NAME, append_digest, verify_digest
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.errors import InputError

INFO_NAME = "mindrcnn.info"
OPTIMIZER_PREFIX = "optimizer."
TRAINED_PREFIX = "trained."
# Of an optimizer's own parameters only these carry state that a schedule or a fresh one cannot give back: moments (of
# SGD, then of AdamW) and counts. The learning-rate list is left out on purpose: it would override a new schedule.
_OPTIMIZER_STATE = ("accum.", "moment1.", "moment2.", "global_step", "updates")
_LISTED = 10  # differing parameters that a message names before it only counts


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself.

    config_yaml: the resolved configuration. classes[i] has label i+1 and the data set's category_ids[i]. epoch, step:
    completed ones; steps_per_epoch 0: not from a training. metrics: the last evaluation, empty before the first.
    loss_scale: state of a LossScaler, empty without one.
    world_size: processes that trained, each on the configuration's train.batch_size.
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
    """A loaded checkpoint; `optimizer` has the optimizer's own names ("accum.NAME", "global_step").

    parameters: what evaluation and inference use. trained: what training goes on with where that is something else,
    because `parameters` are averages; under the same names.
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
    """Writes `path` (ending in .ckpt) whole or not at all. Raises InputError when it cannot be written."""
    averages = {} if average is None else average.by_name()
    parameters = list(network.get_parameters())
    entries = [{"name": one.name, "data": averages.get(one.name, one)} for one in parameters]
    entries += [{"name": TRAINED_PREFIX + one.name, "data": one} for one in parameters if one.name in averages]
    if optimizer is not None:
        entries += [{"name": OPTIMIZER_PREFIX + state.name, "data": state} for state in optimizer_state(optimizer)]
    text = json.dumps(asdict(info)).encode()
    entries.append({"name": INFO_NAME, "data": Tensor.from_numpy(np.frombuffer(text, np.uint8).copy())})
    with replacing(path) as temporary, _quiet_mindspore():
        # save_checkpoint deletes an existing target, writes NAME.tmp and renames it: hence never the final name here
        try:
            ms.save_checkpoint(entries, str(temporary))
        finally:
            temporary.with_suffix(".tmp").unlink(missing_ok=True)
        os.chmod(temporary, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)  # it leaves the file read-only
        append_digest(temporary)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a file that `save_checkpoint` wrote.

    Raises InputError for a missing, truncated, damaged or foreign file.
    """
    if path.suffix != ".ckpt" or not path.is_file():
        raise InputError(f"checkpoint: wanted an existing .ckpt file, got {path}")
    try:
        verify_digest(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    entries = ms.load_checkpoint(str(path))
    del entries[DIGEST_NAME]
    info = _parse_info(path, entries.pop(INFO_NAME).asnumpy().tobytes())
    optimizer, trained = (_taken_out(entries, prefix) for prefix in (OPTIMIZER_PREFIX, TRAINED_PREFIX))
    return Checkpoint(path=path, parameters=entries, optimizer=optimizer, trained=trained, info=info)


def _taken_out(entries: dict[str, Parameter], prefix: str) -> dict[str, Parameter]:
    """The entries whose names begin with `prefix`, under the rest of their names; they leave `entries`."""
    return {name.removeprefix(prefix): entries.pop(name) for name in list(entries) if name.startswith(prefix)}


def load_into(network: nn.Cell, checkpoint: Checkpoint, *, except_part: str | None = None) -> None:
    """Copies the checkpoint's parameters into the network.

    except_part: names that begin with this are left out on both sides.
    Raises InputError, with the network untouched, when names or shapes differ, listing what differs.
    """
    wanted = _without({parameter.name: parameter for parameter in network.get_parameters()}, except_part)
    differences = list(_differences(wanted, _without(checkpoint.parameters, except_part)))
    if differences:
        listed = "\n".join(f"  {line}" for line in differences[:_LISTED])
        more = f"\n  and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise InputError(
            f"{checkpoint.path}: {len(differences)} of its parameters do not fit this model; is it of another model "
            f"or class list ({len(checkpoint.info.classes)} classes)?\n{listed}{more}"
        )
    for name, parameter in wanted.items():
        parameter.set_data(checkpoint.parameters[name])


def _without(parameters: Mapping[str, Parameter], part: str | None) -> Mapping[str, Parameter]:
    if part is None:
        return parameters
    return {name: parameter for name, parameter in parameters.items() if not name.startswith(part)}


def _differences(wanted: Mapping[str, Parameter], got: Mapping[str, Parameter]) -> Iterator[str]:
    """One line per parameter that differs: changed shapes and types first, as they tell the most."""
    for name in wanted:
        if name in got and _signature(wanted[name]) != _signature(got[name]):
            yield f"{name}: wanted {_signature(wanted[name])}, got {_signature(got[name])}"
    for name in wanted:
        if name not in got:
            yield f"{name}: missing in the checkpoint, wanted {_signature(wanted[name])}"
    for name in got:
        if name not in wanted:
            yield f"{name}: unexpected, not in this model, got {_signature(got[name])}"


def _signature(parameter: Parameter) -> str:
    return f"{str(parameter.dtype).lower()}{tuple(parameter.shape)}"


def optimizer_state(optimizer: nn.Optimizer) -> list[Parameter]:
    """The optimizer's parameters that a checkpoint keeps."""
    return [parameter for parameter in optimizer.get_parameters() if parameter.name.startswith(_OPTIMIZER_STATE)]


def _parse_info(path: Path, text: bytes) -> CheckpointInfo:
    """From JSON, which has lists for tuples. Fields that do not fit mean that another version wrote the file."""
    fields: dict[str, Any] = json.loads(text)
    try:
        tuples = {name: tuple(fields[name]) for name in ("classes", "category_ids")}
        return CheckpointInfo(**{**fields, **tuples})
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: written by another version of MindRCNN ({error})") from error


@contextmanager
def _quiet_mindspore() -> Iterator[None]:
    """Holds back MindSpore's own CRITICAL line about a failed save: the InputError says it, once."""
    logger = logging.getLogger(f"ME.mindspore.log.{os.getpid()}")
    logger.addFilter(_drop)
    try:
        yield
    finally:
        logger.removeFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:
    return False
