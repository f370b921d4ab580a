"""The description that a checkpoint carries of itself, read from a file that anybody may have written."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_whole


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


def read_info(path: Path, text: bytes) -> CheckpointInfo:
    """Reads the JSON text. Raises InputError unless its fields are those of this version and of the right kind."""
    values = parse_json(text, f"{path} (its description)")
    known = {one.name for one in fields(CheckpointInfo)}
    if not isinstance(values, dict) or not _REQUIRED <= set(values) <= known:
        got = shorten(sorted(values), len(known)) if isinstance(values, dict) else quote_value(values)
        raise InputError(
            f"{path}: written by another version of MindRCNN: wanted {', '.join(sorted(known))}, got {got}"
        )
    for name, value in values.items():
        wanted, is_good = _FIELDS[name]
        if not is_good(value):
            raise InputError(f"{path}: {name}: wanted {wanted}, got {quote_value(value)}")
    if len(values["classes"]) != len(values["category_ids"]):
        got = f"{len(values['classes'])} and {len(values['category_ids'])}"
        raise InputError(f"{path}: wanted as many classes as category_ids, got {got}")
    return CheckpointInfo(**{**values, **{name: tuple(values[name]) for name in ("classes", "category_ids")}})


def _is_count(value: Any) -> bool:
    return is_whole(value, 0)


def _are_names(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    # half of a surrogate pair, which JSON can hold, cannot be written anywhere
    return texts and len(set(value)) == len(value) and not any("\ud800" <= c <= "\udfff" for c in "".join(value))


def _are_ids(value: Any) -> bool:
    # ids of any size that JSON holds
    whole = isinstance(value, list) and all(type(one) is int for one in value)
    return whole and len(set(value)) == len(value)


def _are_numbers(value: Any) -> bool:
    # NaN and infinity included, which a metric can be
    return isinstance(value, dict) and all(type(one) is float or is_whole(one) for one in value.values())


_REQUIRED = {"config_yaml", "classes", "category_ids", "epoch", "step"}
_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "config_yaml": ("YAML text", lambda value: isinstance(value, str)),
    "classes": ("a list of different names", _are_names),
    "category_ids": ("a list of different whole numbers", _are_ids),
    "epoch": ("a whole number", _is_count),
    "step": ("a whole number", _is_count),
    "steps_per_epoch": ("a whole number", _is_count),
    "metrics": ("numbers by name", _are_numbers),
    "loss_scale": ("numbers by name", _are_numbers),
    "world_size": ("a whole number of at least 1", lambda value: is_whole(value, 1)),
}
