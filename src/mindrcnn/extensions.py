"""Backbones, mask branches and data formats that other packages add, without a change to this one.

A package calls the `register_*` functions in a module or function that its entry point in the group
`mindrcnn.extensions` names. Entry points are loaded when a configuration is read. The environment variable
MINDRCNN_EXTENSIONS names modules, separated by commas, that are imported as well: for code that is not installed. A
configuration, and so a checkpoint from somebody else, cannot name code to import.

docs/extending.md has a complete example.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.registry import FORMATS
from mindrcnn.errors import InputError

GROUP = "mindrcnn.extensions"
VARIABLE = "MINDRCNN_EXTENSIONS"

# Ends the error about an unknown name: the package that registers it may be absent.
HINT = f"names from other packages need the package installed, or its module named in {VARIABLE}"


@dataclass(frozen=True)
class Backbone:
    """A registered backbone: its configuration class, its builder and, optionally, the loader of its weights."""

    config: type
    build: Callable[[Any], Any]
    load_weights: Callable[[Any, Any], None] | None = None


@dataclass(frozen=True)
class MaskBranch:
    """A registered mask branch: its configuration class and its builder."""

    config: type
    build: Callable[[Any, Any], Any]


BACKBONES: dict[str, Backbone] = {}
MASK_BRANCHES: dict[str, MaskBranch] = {}

_loaded: set[str] = set()  # entry points and modules, so that each is loaded once per process


def register_backbone(
    config: type,
    build: Callable[[Any], Any],
    *,
    load_weights: Callable[[Any, Any], None] | None = None,
) -> None:
    """Adds a backbone under the name in the `name: Literal["..."]` field of its configuration dataclass.

    config: frozen dataclass whose fields become the keys of `model.backbone`.
    build: returns the cell for an instance of `config`.
    load_weights: fills the cell, given it and the configuration, when training starts without a checkpoint.
    """
    for name in _names(config, "name"):
        _require_free("backbone", name, BACKBONES[name].config if name in BACKBONES else config, config)
        BACKBONES[name] = Backbone(config, build, load_weights)


def register_mask_branch(config: type, build: Callable[[Any, Any], Any]) -> None:
    """Adds a mask branch under the name in the `type: Literal["..."]` field of its configuration dataclass.

    config: frozen dataclass, derived from `mindrcnn.config.model.MaskConfig`, whose fields become the keys of
        `model.mask`.
    build: returns the cell for an instance of `config` and a `mindrcnn.build.mask_branches.BranchSetup`.
    """
    for name in _names(config, "type"):
        _require_free("mask branch", name, MASK_BRANCHES[name].config if name in MASK_BRANCHES else config, config)
        MASK_BRANCHES[name] = MaskBranch(config, build)


def register_format(data_format: DataFormat) -> None:
    """Adds a data format under its `name`."""
    name = data_format.name
    _require_free("data format", name, type(FORMATS.get(name, data_format)), type(data_format))
    FORMATS[name] = data_format


def load_extensions() -> None:
    """Loads installed entry points and the modules of MINDRCNN_EXTENSIONS, each once per process.

    Raises InputError that names a package or module that cannot be loaded.
    """
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else entry.value
        _load_once(f"{package}: {entry.name}", partial(_run, entry), f"the installed package {package}")
    for module in filter(None, (name.strip() for name in os.environ.get(VARIABLE, "").split(","))):
        _load_once(module, partial(importlib.import_module, module), f"{VARIABLE}: the module {module}")


def _run(entry: EntryPoint) -> None:
    loaded = entry.load()
    if callable(loaded):
        loaded()


def _load_once(key: str, load: Callable[[], object], what: str) -> None:
    if key in _loaded:
        return
    try:
        load()
    except Exception as error:  # whatever somebody else's code raises
        raise InputError(
            f"{what}: wanted an extension of mindrcnn that can be loaded, got {type(error).__name__}: {error}"
        ) from error
    _loaded.add(key)


def _require_free(what: str, name: str, taken_by: type, wanted_by: type) -> None:
    if taken_by is not wanted_by:
        raise ValueError(f"{what} {name}: wanted a name that is free, got that of {taken_by.__qualname__}")


def _names(config: type, field: str) -> tuple[str, ...]:
    """Returns the names in a dataclass's `field: Literal[...]`. Raises TypeError where it has none."""
    hint = get_type_hints(config).get(field) if is_dataclass(config) else None
    if get_origin(hint) is not Literal:
        raise TypeError(f'{config.__qualname__}: wanted a dataclass with a field `{field}: Literal["..."]`')
    return get_args(hint)
