"""The libraries whose checkpoints are read, and how to tell whose a file is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindrcnn.convert.names.detectron2 import DETECTRON2
from mindrcnn.convert.names.maskrcnn_benchmark import MASKRCNN_BENCHMARK
from mindrcnn.convert.names.mmdet import MMDET
from mindrcnn.convert.names.table import NameTable
from mindrcnn.convert.names.torchvision import TORCHVISION
from mindrcnn.convert.names.zoo import ZOO
from mindrcnn.errors import InputError
from mindrcnn.weights.class_axes import Order


@dataclass(frozen=True)
class Family:
    """One library.

    Attributes:
        name: as --from takes it.
        table: its names.
        background: where its class axes have the background.
        rows_for_background: whether its regressors and masks have a row for it too.
        transposed: pattern of our dense layers that it stores as (inputs, outputs).
    """

    name: str
    table: NameTable
    background: Order
    rows_for_background: bool
    transposed: re.Pattern[str] = re.compile(r"(?!)")


FAMILIES = {
    family.name: family
    for family in (
        Family("torchvision", TORCHVISION, "first", rows_for_background=True),
        Family("detectron2", DETECTRON2, "last", rows_for_background=False),
        Family("mmdet", MMDET, "last", rows_for_background=False),
        Family("maskrcnn-benchmark", MASKRCNN_BENCHMARK, "first", rows_for_background=True),
        Family(
            "mindspore-zoo", ZOO, "first", rows_for_background=True, transposed=re.compile(r"box\.head\..*\.weight")
        ),
    )
}
# Parameters that every detector has, outside the backbone: a file belongs to the family that has the most of them.
_COMMON = (
    *(f"neck.{part}.{level}.weight" for part in ("laterals", "outputs") for level in range(4)),
    *(f"rpn.head.{layer}.weight" for layer in ("conv", "objectness", "deltas")),
    *(f"box.head.{layer}.weight" for layer in ("fc1", "fc2", "class_logits", "deltas")),
)


@dataclass(frozen=True)
class Entry:
    """A value and the file's names of it, several where the library shares it."""

    names: tuple[str, ...]
    value: NDArray


def normalised(arrays: Mapping[str, NDArray], family: Family) -> dict[str, Entry]:
    """Entries by the table's names. InputError where two different values get one name."""
    result: dict[str, Entry] = {}
    for name, value in arrays.items():
        normal = family.table.normal(name)
        shared = result.get(normal)
        if shared is not None and not np.array_equal(shared.value, value):
            raise InputError(f"{name}: wanted the values of {shared.names[0]}, as they are one parameter there")
        result[normal] = Entry((*(shared.names if shared else ()), name), value)
    return result


def detect_family(arrays: Mapping[str, NDArray]) -> Family | None:
    """The family that explains the most names; None where none has any."""

    def known(family: Family) -> int:
        names = {family.table.normal(name) for name in arrays}
        return sum(family.table.source(ours) in names for ours in _COMMON)

    best = max(FAMILIES.values(), key=known)
    return best if known(best) else None
