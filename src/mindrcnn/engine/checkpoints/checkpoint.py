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
from dataclasses import asdict, dataclass
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn

from mindrcnn import paths
from mindrcnn.atomic import replacing
from mindrcnn.engine.checkpoints.checksum import DIGEST_NAME, append_digest, verify_digest
from mindrcnn.engine.checkpoints.info import CheckpointInfo, read_info
from mindrcnn.engine.step.ema import ParameterAverage
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

INFO_NAME = "mindrcnn.info"
OPTIMIZER_PREFIX = "optimizer."
TRAINED_PREFIX = "trained."
# Only these parameters of an optimizer hold state that cannot be rebuilt: moments (SGD's, then AdamW's) and counts. The
# list of learning rates is left out on purpose: it would override a new schedule.
_OPTIMIZER_STATE = ("accum.", "moment1.", "moment2.", "global_step", "updates")
_DIFFERENCES_SHOWN = 10  # in a message
_NAMES_SHOWN = 3
FOREIGN = (".pth", ".pt", ".pkl", ".npz", ".safetensors")


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
        raise InputError(f"checkpoint: wanted an existing .ckpt file, got {path}{_import_hint(path)}")
    try:
        verify_digest(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    entries = _read_entries(path)
    info = read_info(path, entries.pop(INFO_NAME).asnumpy().tobytes())
    optimizer, trained = (_pop_prefixed(entries, prefix) for prefix in (OPTIMIZER_PREFIX, TRAINED_PREFIX))
    return Checkpoint(path=path, parameters=entries, optimizer=optimizer, trained=trained, info=info)


def _import_hint(path: Path) -> str:
    """Returns the end of a message about a file of weights that another library may have written."""
    if path.suffix not in FOREIGN or not paths.is_file(path):
        return ""
    return f"; `mindrcnn convert {path} {path.stem}.ckpt` imports weights of other libraries"


def _read_entries(path: Path) -> dict[str, Parameter]:
    """Returns the entries without the checksum. Raises InputError for a file that is no checkpoint of this package."""
    try:
        with _quiet_mindspore():
            entries = ms.load_checkpoint(str(path))
    except Exception as error:  # of any kind: MindSpore does not check what it parses
        raise InputError(f"{path}: wanted a checkpoint, got other content with a checksum ({error})") from error
    entries.pop(DIGEST_NAME, None)
    if not isinstance(entries.get(INFO_NAME), Tensor) or not all(isinstance(one, Tensor) for one in entries.values()):
        raise InputError(f"{path}: wanted a MindRCNN checkpoint, got one without {INFO_NAME}, or with other entries")
    return entries


def require_finite(checkpoint: Checkpoint) -> None:
    """Raises InputError if the parameters hold numbers that are not finite, with which every prediction is empty."""
    bad = [name for name, value in checkpoint.parameters.items() if not np.isfinite(value.asnumpy()).all()]
    if bad:
        raise InputError(
            f"{checkpoint.path}: wanted finite weights, got {len(bad)} of {len(checkpoint.parameters)} parameters with "
            f"NaN or infinity ({shorten(bad, _NAMES_SHOWN)}): did training diverge?"
        )


def _pop_prefixed(entries: dict[str, Parameter], prefix: str) -> dict[str, Parameter]:
    """Removes the entries whose names begin with `prefix` and returns them under the rest of their names."""
    return {name.removeprefix(prefix): entries.pop(name) for name in list(entries) if name.startswith(prefix)}


def load_into(network: nn.Cell, checkpoint: Checkpoint, *, except_part: str | None = None) -> None:
    """Copies the checkpoint's parameters into the network.

    except_part: parameters whose names begin with this are ignored on both sides.
    Raises InputError that lists the differences, with the network untouched, when names, shapes or types differ.
    """
    for name, parameter in require_fit(network, checkpoint, except_part=except_part).items():
        parameter.set_data(checkpoint.parameters[name])


def require_fit(network: nn.Cell, checkpoint: Checkpoint, *, except_part: str | None = None) -> Mapping[str, Parameter]:
    """Returns the parameters of the network by name. Raises InputError as `load_into` does."""
    wanted = _exclude({parameter.name: parameter for parameter in network.get_parameters()}, except_part)
    differences = list(_differences(wanted, _exclude(checkpoint.parameters, except_part)))
    if differences:
        listed = "\n".join(f"  {line}" for line in differences[:_DIFFERENCES_SHOWN])
        more = f"\n  and {len(differences) - _DIFFERENCES_SHOWN} more" if len(differences) > _DIFFERENCES_SHOWN else ""
        raise InputError(
            f"{checkpoint.path}: {len(differences)} parameters do not fit this model; was the checkpoint trained with "
            f"another model or class list ({len(checkpoint.info.classes)} classes)?\n{listed}{more}"
        )
    return wanted


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
