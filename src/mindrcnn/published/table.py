"""The table of published checkpoints, models.yaml, and the search for one by name or address."""

import difflib
import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from mindrcnn import paths
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.numbers import is_number
from mindrcnn.untrusted.yaml_text import parse_yaml_value

TABLE = Path(__file__).with_name("models.yaml")
TABLE_VARIABLE = "MINDRCNN_MODELS"  # names a further table, whose rows come before those of the same name
_NEAR = 3  # names in an error, at most
_ALIKE = 0.5  # difflib's ratio of a name that is offered, at least

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*/[A-Za-z0-9][\w.+-]*", re.ASCII)  # it becomes a path in the cache
_TEXTS = ("url", "read", "licence", "kind", "digest", "style", "note")
_NUMBERS = ("box_ap", "mask_ap", "size_mb", "norm_eps")

Kind = Literal["detector", "backbone"]


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """One row of the table; what its source does not state is empty or None.

    Attributes:
        name: LIBRARY/MODEL.
        url: the address of the file.
        licence: the licence of the weights.
        kind: a detector, or a backbone that was trained on ImageNet.
        box_ap, mask_ap: published AP on COCO val2017, in percent.
        size_mb: size of the file.
        digest: "sha256:" or "md5:" with the first digits of the file's checksum.
        style: style of mmdetection's backbone, "caffe" or "pytorch".
        norm_eps: what the source adds to the variances of its norms, if that is not 1e-5.
        overrides: configuration keys `a.b=c` that the weights need, beside the conventions of their library.
        note: a remark for the reader.
        read: the file of the source that states all this.
    """

    name: str
    url: str
    read: str
    licence: str = ""
    kind: Kind = "detector"
    box_ap: float | None = None
    mask_ap: float | None = None
    size_mb: float | None = None
    digest: str = ""
    style: str = ""
    norm_eps: float | None = None
    overrides: tuple[str, ...] = ()
    note: str = ""

    @property
    def library(self) -> str:
        """The library, as `mindrcnn convert --from` names it."""
        library, _ = self.name.split("/")
        return library


def published_models() -> Mapping[str, PublishedModel]:
    """Returns the rows by name, in the table's order, then those of $MINDRCNN_MODELS.

    Raises InputError if that is not a table.
    """
    further = os.environ.get(TABLE_VARIABLE)
    return read_table(TABLE) | (read_table(paths.expand(further)) if further else {})


@functools.cache
def read_table(path: Path) -> dict[str, PublishedModel]:
    """Returns the rows of a table by name. Raises InputError for a file that is none."""
    tree = parse_yaml_value(paths.read_text(path, "table of models"), path)
    models, libraries = (tree.get(key) or {} for key in ("models", "libraries")) if isinstance(tree, dict) else ({}, {})
    if not models or not isinstance(models, dict):
        raise InputError(f"{path}: wanted models, a mapping from LIBRARY/MODEL to its fields")
    if not isinstance(libraries, dict) or not all(isinstance(shared, dict) for shared in libraries.values()):
        raise InputError(f"{path}: libraries: wanted a mapping from LIBRARY to the fields of all its models")
    return {name: _row(path, name, row, libraries) for name, row in models.items()}


def _row(path: Path, name: Any, row: Any, libraries: dict[str, Any]) -> PublishedModel:
    """Returns one row, with what holds for all of its library. Raises InputError that names the row."""
    place = f"{path}: models.{name if isinstance(name, str) else quote_value(name):.100}"
    known = {field.name for field in fields(PublishedModel)} - {"name"}
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(row, dict):
        raise InputError(f"{place}: wanted LIBRARY/MODEL, of letters, digits and _ . + -, and a mapping of its fields")
    given = libraries.get(name.partition("/")[0], {}) | row
    if not {"url", "read"} <= set(given) <= known:
        raise InputError(f"{place}: wanted url, read and any of {', '.join(sorted(known))}")
    texts = {key: value for key, value in given.items() if key in _TEXTS}
    numbers = {key: value for key, value in given.items() if key in _NUMBERS}
    overrides = given.get("overrides", [])
    if not isinstance(overrides, list) or not all(isinstance(value, str) for value in (*texts.values(), *overrides)):
        raise InputError(f"{place}: wanted texts for {', '.join(_TEXTS)}, and overrides as a list of texts")
    if not all(map(is_number, numbers.values())) or texts.get("kind", "detector") not in ("detector", "backbone"):
        raise InputError(f"{place}: wanted numbers for {', '.join(_NUMBERS)}, and kind detector or backbone")
    return PublishedModel(name=name, overrides=tuple(overrides), **texts, **numbers)


def find_published(source: str) -> PublishedModel | None:
    """Returns the row with this name or address, or None."""
    models = published_models()
    return models.get(source) or next((row for row in models.values() if row.url == source), None)


def require_known(source: str) -> None:
    """Raises InputError, with the nearest names, for a text that can only be meant as a name of the table."""
    library, _, model = source.partition("/")
    libraries = {row.library for row in published_models().values()}
    if library not in libraries or not model or "/" in model or Path(model).suffix:
        return
    raise InputError(f"{source}: no such file, and no published model of this name{near_names(source)}")


def near_names(name: str) -> str:
    """Returns the nearest names as the end of a message."""
    near = difflib.get_close_matches(name, published_models(), n=_NEAR, cutoff=_ALIKE)
    return f"; nearest: {', '.join(near)}" if near else "; `mindrcnn models` lists them"
