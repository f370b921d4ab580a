"""Families of checkpoints, one per library, and recognition of a file's family."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindrcnn.convert.conventions import MS_RCNN_VARIANT
from mindrcnn.convert.names.detectron2 import DETECTRON2
from mindrcnn.convert.names.maskrcnn_benchmark import MASKRCNN_BENCHMARK
from mindrcnn.convert.names.mmdet import MMDET
from mindrcnn.convert.names.table import NameTable
from mindrcnn.convert.names.torchvision import TORCHVISION, TORCHVISION_V2
from mindrcnn.convert.names.zoo import ZOO
from mindrcnn.convert.names.zoo_ms_rcnn import ZOO_MS_RCNN
from mindrcnn.errors import InputError
from mindrcnn.weights.class_axes import Order


@dataclass(frozen=True)
class Family:
    """The conventions of one library's checkpoints.

    Attributes:
        name: value of --from.
        table: the library's names.
        background: place of the background on its class axes.
        rows_for_background: whether its regressors and masks have a row for the background too.
        transposed: pattern of our dense layers that it stores as (inputs, outputs).
        conventions: key of its switches in conventions.py; empty for its name.
        styled: whether its backbones come in several styles, which the names do not tell.
    """

    name: str
    table: NameTable
    background: Order
    rows_for_background: bool
    transposed: re.Pattern[str] = re.compile(r"(?!)")
    conventions: str = ""
    styled: bool = False

    @property
    def switches(self) -> str:
        """Key of its switches in conventions.py."""
        return self.conventions or self.name


NAMES_SHOWN = 4  # of a file of no known family, in a message

FAMILIES = {
    family.name: family
    for family in (
        Family("torchvision", TORCHVISION, "first", rows_for_background=True),
        Family("detectron2", DETECTRON2, "last", rows_for_background=False),
        Family("mmdet", MMDET, "last", rows_for_background=False, styled=True),
        Family("maskrcnn-benchmark", MASKRCNN_BENCHMARK, "first", rows_for_background=True),
        Family(
            "mindspore-zoo", ZOO, "first", rows_for_background=True, transposed=re.compile(r"box\.head\..*\.weight")
        ),
    )
}
# With a library's other names.
VARIANTS = (
    *FAMILIES.values(),
    Family("torchvision", TORCHVISION_V2, "first", rows_for_background=True),
    Family(
        *("mindspore-zoo", ZOO_MS_RCNN, "first"),
        rows_for_background=False,
        conventions=MS_RCNN_VARIANT,
        styled=True,
    ),
)
# Parameters of every detector outside the backbone: a file belongs to the family under which most of them are found.
_COMMON = (
    *(f"neck.{part}.{level}.weight" for part in ("laterals", "outputs") for level in range(4)),
    *(f"rpn.head.{layer}.weight" for layer in ("conv", "objectness", "deltas")),
    *(f"box.head.{layer}.weight" for layer in ("fc1", "fc2", "class_logits", "deltas")),
)


@dataclass(frozen=True)
class Entry:
    """A value and its names in the file, several if the library stores a shared parameter more than once."""

    names: tuple[str, ...]
    value: NDArray

    @property
    def name(self) -> str:
        """The first of the names."""
        first, *_ = self.names
        return first


def normalise_names(arrays: Mapping[str, NDArray], family: Family) -> dict[str, Entry]:
    """Returns the entries under the table's names. Raises InputError if two different values get the same name."""
    result: dict[str, Entry] = {}
    for name, value in arrays.items():
        normal = family.table.normalise(name)
        shared = result.get(normal)
        if shared is not None and not np.array_equal(shared.value, value):
            raise InputError(f"{name}: wanted the values of {shared.name}, which is the same parameter, got others")
        result[normal] = Entry((*(shared.names if shared else ()), name), value)
    return result


def detect_family(arrays: Mapping[str, NDArray], library: str = "") -> Family | None:
    """Returns the family that accounts for most of the names, or None if none accounts for any.

    arrays: the file's.
    library: considers this library alone.
    """

    def count_known(family: Family) -> int:
        names = {family.table.normalise(name) for name in arrays}
        return sum(family.table.source(ours) in names for ours in _COMMON)

    best = max((family for family in VARIANTS if library in ("", family.name)), key=count_known)
    return best if count_known(best) else None


def exporting_family(library: str, parameters: Collection[str]) -> Family:
    """Returns the family of a library that has a place for all of our parameters, or else the library's first."""
    fits = (
        family
        for family in VARIANTS
        if family.name == library and all(family.table.source(name) is not None for name in parameters)
    )
    return next(fits, FAMILIES[library])
