"""Mapping between a file's arrays and our parameters by a family's table, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mindrcnn.convert.classes import ClassChoice
from mindrcnn.convert.families import Entry, Family
from mindrcnn.convert.report import Report, Use
from mindrcnn.errors import InputError
from mindrcnn.messages import shorten
from mindrcnn.models.layers import NORM_EPS
from mindrcnn.weights.class_axes import NEW, axes_of, fill_new, serves_all_classes, to_ours, to_theirs
from mindrcnn.weights.layouts import LEFT_OUT

Arrays = Mapping[str, NDArray]

# Other libraries store these layers as convolutions over points, with a kernel of one point.
_POINT_LAYER = re.compile(r"mask\.point_head\.\w+(\.\d+)?\.weight")


def map_parameters(
    entries: Mapping[str, Entry], fresh: Arrays, *, family: Family, classes: ClassChoice, report: Report
) -> dict[str, NDArray]:
    """Returns the values of our parameters, as far as the file has them, and fills in the report.

    entries: the result of families.normalise_names.
    fresh: our parameters with their initial values, which new classes keep.
    family: conventions of the file.
    classes: the result's classes.
    report: receives what became of every parameter.
    Raises InputError for a value of another shape or with numbers that are not finite.
    """
    values: dict[str, NDArray] = {}
    for ours, initial in fresh.items():
        source = family.table.source(ours)
        if source is None or source not in entries:
            _record_missing(ours, initial, source, values, report)
            continue
        entry = entries[source]
        values[ours], change = convert(ours, entry.value, initial, family=family, classes=classes, name=entry.name)
        report.used |= {name: Use(ours, change) for name in entry.names}
        if axes_of(ours) and NEW in classes.sources:
            report.partly[ours] = (
                f"{classes.sources.count(NEW)} of {len(classes.sources)} classes start from initial values"
            )
        else:
            report.filled.append(ours)
    _record_unused(entries, family, report)
    return values


def convert(
    ours: str, value: NDArray, initial: NDArray, *, family: Family, classes: ClassChoice, name: str
) -> tuple[NDArray, str]:
    """Converts one value; returns it with a description of the changes, empty for a plain copy.

    ours: our name of the parameter.
    value: the source's value.
    initial: our initial value, which gives the shape.
    family: conventions of the source.
    classes: the result's classes.
    name: the source's name, for messages.
    """
    if value.dtype.kind not in "fiu":
        raise InputError(f"{name}: wanted finite numbers, got values of type {value.dtype}")
    if not np.isfinite(value).all():
        raise InputError(f"{name}: wanted finite numbers, got NaN or infinity")
    changes = [] if value.dtype == np.float32 else [f"{value.dtype} -> float32"]
    result = value
    if family.transposed.fullmatch(ours):
        result = result.T
        changes.append("transposed")
    try:
        for axis in axes_of(ours):
            before = result
            result = to_ours(
                *(result, axis),
                classes=classes.source_count,
                background=family.background,
                sources=classes.sources,
                others=initial.shape[axis.axis] - len(classes.sources),
            )
            if before.shape != result.shape or not np.array_equal(before, result):
                changes.append(f"classes on axis {axis.axis}")
    except ValueError as error:
        raise InputError(f"{name}: the classes do not fit: {error}") from error
    if _strip_ones(result.shape) == _strip_ones(initial.shape) and result.shape != initial.shape:
        result = result.reshape(initial.shape)
        changes.append(f"{value.shape} -> {initial.shape}")
    if result.shape != initial.shape:
        raise InputError(f"{name}: wanted shape {initial.shape} for {ours}, got {result.shape}")
    result = np.ascontiguousarray(result, np.float32)
    if NEW in classes.sources:
        for axis in axes_of(ours):
            result = fill_new(result, initial, axis, classes.sources)
    return result, ", ".join(changes)


def refold_norms(values: Arrays, eps: float) -> dict[str, NDArray]:
    """Returns scales of norms with which our epsilon gives what `eps` gives with the present ones.

    Raises InputError for a variance with which there is no such scale.
    """
    scales: dict[str, NDArray] = {}
    for name in (name for name in values if name.endswith(".moving_variance")):
        variance = values[name].astype(np.float64)
        if (variance + eps <= 0).any():
            raise InputError(f"{name}: wanted variances above 0 with an epsilon of {eps:g}, got {variance.min():g}")
        gamma = name.replace(".moving_variance", ".gamma")
        scales[gamma] = (values[gamma] * np.sqrt((variance + NORM_EPS) / (variance + eps))).astype(np.float32)
    return scales


def _strip_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Removes trailing ones: a 1x1 convolution is a dense layer."""
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _record_missing(
    ours: str, initial: NDArray, source: str | None, values: dict[str, NDArray], report: Report
) -> None:
    _, part = ours.rsplit(".", 1)
    if source is None and part in LEFT_OUT and ours.startswith("backbone."):
        values[ours] = np.full(initial.shape, LEFT_OUT[part], np.float32)
        report.constants.append(ours)
    else:
        report.missing[ours] = source or "name for it"


def _record_unused(entries: Mapping[str, Entry], family: Family, report: Report) -> None:
    for normal, entry in entries.items():
        if entry.name not in report.used:
            rest = report.ignored if family.table.ignored.fullmatch(normal) else report.leftover
            rest.extend(entry.names)


def export_state(parameters: Mapping[str, NDArray], family: Family) -> dict[str, NDArray]:
    """Returns our parameters as a state dict of the family. Raises InputError if it has no place for one of them."""
    unsupported = [name for name in parameters if family.table.source(name) is None]
    if unsupported:
        raise InputError(f"{family.name} has no place for {len(unsupported)} parameters: {shorten(unsupported)}")
    state = {}
    for name, value in parameters.items():
        for axis in axes_of(name) if not serves_all_classes(name, parameters) else ():
            value = to_theirs(value, axis, background=family.background, row_for_background=family.rows_for_background)
        if _POINT_LAYER.fullmatch(name):
            value = value.reshape(*value.shape[:2], 1)
        source = family.table.source(name)
        assert source is not None
        state[source] = np.ascontiguousarray(value, np.float32)
    return state
