"""Our checkpoints as state dicts of torchvision and detectron2."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mindrcnn.convert.families import Family
from mindrcnn.errors import InputError
from mindrcnn.messages import shortened
from mindrcnn.weights.class_axes import axes_of, to_theirs

TARGETS = ("torchvision", "detectron2")
# Convolutions over points there, with a kernel of one point.
_POINT_LAYER = re.compile(r"mask\.point_head\.\w+(\.\d+)?\.weight")


def export_state(parameters: Mapping[str, NDArray], family: Family) -> dict[str, NDArray]:
    """The family's state dict of our parameters. InputError where it has no place for one of them."""
    homeless = [name for name in parameters if family.table.source(name) is None]
    if homeless:
        raise InputError(f"{family.name} has no place for {len(homeless)} parameters: {shortened(homeless)}")
    state = {}
    for name, value in parameters.items():
        for axis in axes_of(name):
            value = to_theirs(value, axis, background=family.background, row_for_background=family.rows_for_background)
        if _POINT_LAYER.fullmatch(name):
            value = value.reshape(*value.shape[:2], 1)
        source = family.table.source(name)
        assert source is not None
        state[source] = np.ascontiguousarray(value, np.float32)
    return state
