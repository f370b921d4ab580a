"""The table of published checkpoints, models.yaml, and the search for one by name or address."""

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from mindrcnn import paths
from mindrcnn.errors import InputError

TABLE = Path(__file__).with_name("models.yaml")
_NEAR = 3  # names in an error, at most
_ALIKE = 0.5  # difflib's ratio of a name that is offered, at least

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


@functools.cache
def published_models() -> Mapping[str, PublishedModel]:
    """Returns the rows by name, in the table's order."""
    tree = yaml.safe_load(paths.read_text(TABLE))
    return {name: _row(name, fields, tree["libraries"]) for name, fields in tree["models"].items()}


def _row(name: str, fields: dict[str, Any], libraries: dict[str, dict[str, Any]]) -> PublishedModel:
    library, _ = name.split("/")
    overrides = tuple(fields.get("overrides", ()))
    return PublishedModel(**{"name": name} | libraries[library] | fields | {"overrides": overrides})


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
