"""Class axes of parameters, and their order in each library.

Here the background comes first in the class logits and occurs nowhere else. Other libraries put it last, or give box
regressors and masks a row for it that is never used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Order = Literal["first", "last"]  # place of the background among the classes

NEW = -1  # instead of the index of a source class: the class has no row in the source


@dataclass(frozen=True)
class ClassAxis:
    """The class axis of our parameters whose names match a pattern.

    Attributes:
        pattern: regular expression for the whole name.
        axis: index of the axis.
        per_class: number of values per class; 0 divides the size of the axis by the number of classes.
        background: whether the background has values on the axis.
        trailing: whether the classes are only the last part of the axis, after other values.
    """

    pattern: str
    axis: int = 0
    per_class: int = 1
    background: bool = False
    trailing: bool = False


CLASS_AXES = (
    ClassAxis(r"box\.head\.class_logits\.(weight|bias)", background=True),
    ClassAxis(r"box\.head\.deltas\.(weight|bias)", per_class=4),
    ClassAxis(r"mask\.(mask\.)?head\.mask_logits\.(weight|bias)"),
    ClassAxis(r"mask\.iou_head\.iou\.(weight|bias)"),
    ClassAxis(r"mask\.coarse_head\.prediction\.(weight|bias)", per_class=0),
    ClassAxis(r"mask\.point_head\.predictor\.(weight|bias)"),
    # coarse class logits are appended to the fine features at the input of every layer
    ClassAxis(r"mask\.point_head\.(fcs\.\d+|predictor)\.weight", axis=1, trailing=True),
)


BOX_DELTAS, CLASS_LOGITS = "box.head.deltas.", "box.head.class_logits.weight"


def serves_all_classes(name: str, parameters: Mapping[str, Any]) -> bool:
    """Tells whether a parameter, by its shape, belongs to a box regressor that all of several classes share."""
    if not name.startswith(BOX_DELTAS):
        return False
    (rows, *_), (logits, *_) = parameters[name].shape, parameters[CLASS_LOGITS].shape
    return rows == 4 and logits > 2


def axes_of(name: str) -> list[ClassAxis]:
    """Returns the class axes of our parameter; most have none."""
    return [axis for axis in CLASS_AXES if re.fullmatch(axis.pattern, name)]


def to_ours(
    value: NDArray,
    axis: ClassAxis,
    *,
    classes: int,
    background: Order,
    sources: Sequence[int],
    others: int | None = None,
) -> NDArray:
    """Rearranges a source parameter along one class axis into our order, with zeros for NEW classes.

    value: the source's parameter.
    axis: its class axis.
    classes: number of classes in the source, without the background.
    background: the place of the background in the source.
    sources: for each of our classes, the index of the source's class, or NEW.
    others: number of values before those of the classes, where those are trailing; None leaves no background there.
    Raises ValueError if the axis fits neither with the background nor without it.
    """
    value = np.moveaxis(value, axis.axis, 0)
    others = 0 if not axis.trailing else len(value) - classes if others is None else others
    head, rows = value[:others], value[others:]
    per_class = axis.per_class or len(rows) // classes
    groups = rows.reshape(-1, per_class, *rows.shape[1:])
    extra = len(groups) - classes
    if extra not in (0, 1) or (axis.background and extra == 0):
        raise ValueError(f"{len(groups)} rows for {classes} classes")
    start = 1 if extra and background == "first" else 0
    own = groups[start : start + classes]
    zeros = np.zeros_like(groups[0])
    parts = [head, *(zeros if source == NEW else own[source] for source in sources)]
    if axis.background:
        parts.insert(0, groups[0] if background == "first" else groups[-1])
    return np.moveaxis(np.concatenate(parts), 0, axis.axis)


def fill_new(value: NDArray, fresh: NDArray, axis: ClassAxis, sources: Sequence[int]) -> NDArray:
    """Returns `value`, of our shape, with the rows of NEW classes taken from `fresh`."""
    value, fresh = np.moveaxis(value.copy(), axis.axis, 0), np.moveaxis(fresh, axis.axis, 0)
    others = len(value) - len(sources) if axis.trailing else int(axis.background)
    per_class = (len(value) - others) // len(sources)
    for index, source in enumerate(sources):
        if source == NEW:
            rows = slice(others + index * per_class, others + (index + 1) * per_class)
            value[rows] = fresh[rows]
    return np.moveaxis(value, 0, axis.axis)


def to_theirs(value: NDArray, axis: ClassAxis, *, background: Order, row_for_background: bool) -> NDArray:
    """Reverses `to_ours` for all classes in their order; an unused background row becomes zeros."""
    value = np.moveaxis(value, axis.axis, 0)
    if axis.background:
        value = value if background == "first" else np.roll(value, -1, axis=0)
    elif row_for_background and not axis.trailing:
        zeros = np.zeros((axis.per_class, *value.shape[1:]), value.dtype)
        value = np.concatenate([zeros, value] if background == "first" else [value, zeros])
    return np.moveaxis(value, 0, axis.axis)
