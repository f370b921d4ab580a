"""YAML files and command-line overrides as one tree in which every value remembers where it was written.

Scalars follow the core schema of YAML 1.2, not PyYAML's YAML 1.1: `off`, `no` and `on` are strings and `1e-4` is a
number, so a choice named `off` or a class named `no` means what it says.
"""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mindrcnn import paths
from mindrcnn.config.packaged import find_packaged, near_names
from mindrcnn.errors import InputError
from mindrcnn.extensions import BACKBONES
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.yaml_composer import FLOAT, TAG, compose

COMMAND_LINE = "command line"
OVERRIDES = "overrides"
BASE_KEY = "base"
_NAMES_SHOWN = 20  # in a message
_SEVERAL_DOCUMENTS = "but found another document"  # the composer's words
_ZOO_FILE = "; `mindrcnn migrate FILE --out NEW.yaml` converts configurations of the model zoo"
_SURROGATE = re.compile("[\ud800-\udfff]")  # cannot be written to a file


@dataclass(frozen=True)
class Origin:
    """The place where a value was written: a file or the command line, and the line (from 1) if there is one."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}, line {self.line}"


@dataclass(frozen=True)
class Node:
    """A scalar (None, bool, int, float, str), a list of nodes or a mapping of names to nodes, with its origin.

    The origin of an entry of a mapping is the line of its key.
    """

    value: bool | int | float | str | list[Node] | dict[str, Node] | None
    origin: Origin


class _Dumper(yaml.SafeDumper):
    """A dumper that quotes strings that YAML 1.1 or 1.2 would read as something else, and puts lists on one line."""


_Dumper.add_implicit_resolver(TAG + "float", FLOAT, None)
_Dumper.add_representer(list, lambda dumper, data: dumper.represent_sequence(TAG + "seq", data, flow_style=True))


def dump_yaml(data: dict[str, Any]) -> str:
    """Returns nested dicts, lists and scalars as YAML text, in the order given; `parse_yaml` reads it back exactly."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=120)


def parse_yaml(text: str, source: str) -> Node:
    """Returns the tree of a YAML text; `source` names the text in origins and errors.

    Raises InputError for text that is not YAML or beyond the limits of `compose`, an empty text, a duplicate key, and a
    tag outside the core schema.
    """
    try:
        document = compose(text)
        if document is None:
            raise InputError(f"{source}: wanted keys and values, got nothing")
        return _node(document, _origin(source, document), "")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark and source != COMMAND_LINE else None
        problem = error.problem or error.context
        hint = _ZOO_FILE if source.endswith(".py") or problem == _SEVERAL_DOCUMENTS else ""
        raise InputError(f"{Origin(source, line)}: not valid YAML: {problem}{hint}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {error}") from error
    except RecursionError as error:
        raise InputError(f"{source}: wanted YAML of limited depth, got nesting without end") from error


def read_tree(path: Path, trail: tuple[Path, ...] = ()) -> Node:
    """Returns the tree of a file merged over its bases.

    `base` is a path relative to the file, or a list of them. A base that does not exist beside the file is looked up
    among the packaged configurations. `trail` holds the files that include this one.

    Raises InputError for a file that cannot be read, a tree that is not a mapping and a cycle of bases.
    """
    resolved = paths.resolve(path)
    if resolved in trail:
        names = " -> ".join(str(step) for step in (*trail[trail.index(resolved) :], resolved))
        raise InputError(f"{path}: {BASE_KEY}: the files inherit from one another in a cycle: {names}")
    node = parse_yaml(_read_text(path), str(path))
    if not isinstance(node.value, dict):
        raise InputError(f"{node.origin}: wanted keys and values, got {describe_value(node)}")
    own = {name: child for name, child in node.value.items() if name != BASE_KEY}
    merged = Node({}, node.origin)
    for base in _base_paths(node.value.get(BASE_KEY), path):
        merged = merge(merged, read_tree(base, (*trail, resolved)))
    return merge(merged, Node(own, node.origin))


Overrides = Sequence[str] | Mapping[str, Any]


def override_tree(overrides: Overrides) -> Node:
    """Returns the overrides as one tree; the last override of a key takes precedence.

    overrides: `a.b=value` texts from the command line, with the value in YAML, or a mapping of dotted keys to values.
    """
    if isinstance(overrides, Mapping):
        return _mapping_tree(overrides)
    tree = Node({}, Origin(COMMAND_LINE))
    for text in overrides:
        name, equals, value = text.partition("=")
        parts = name.strip().split(".")
        if not equals or not all(parts):
            raise InputError(f"{COMMAND_LINE}: wanted an override of the form a.b=value, got {text!r}")
        node = _override_value(name.strip(), value)
        for part in reversed(parts):
            node = Node({part: node}, Origin(COMMAND_LINE))
        tree = merge(tree, node)
    return tree


def _mapping_tree(overrides: Mapping[str, Any]) -> Node:
    origin = Origin(OVERRIDES)
    tree = Node({}, origin)
    for name, value in overrides.items():
        if not isinstance(name, str) or not all(parts := name.split(".")):
            raise InputError(f"{origin}: wanted a dotted key such as train.batch_size, got {name!r}")
        node = _value_tree(name, value)
        for part in reversed(parts):
            node = Node({part: node}, origin)
        tree = merge(tree, node)
    return tree


def _value_tree(name: str, value: Any) -> Node:
    origin = Origin(OVERRIDES)
    if isinstance(value, Mapping):
        return Node({str(key): _value_tree(f"{name}.{key}", child) for key, child in value.items()}, origin)
    if isinstance(value, list | tuple):
        return Node([_value_tree(f"{name}[{index}]", child) for index, child in enumerate(value)], origin)
    if isinstance(value, os.PathLike):
        return Node(os.fspath(value), origin)
    if value is None or isinstance(value, bool | str):
        return Node(value, origin)
    if isinstance(value, numbers.Integral):  # NumPy's too
        return Node(int(value), origin)
    if isinstance(value, numbers.Real):
        return Node(float(value), origin)
    kind = type(value).__name__
    raise InputError(f"{origin}: {name}: wanted a bool, number, string, list or mapping, got {kind}")


def merge(base: Node, child: Node, key: str = "") -> Node:
    """Returns `child` merged over `base`: mappings merge key by key, anything else is replaced.

    A mapping of another type replaces the base's, since its keys differ. `key` is the dotted key of both.
    """
    if not isinstance(base.value, dict) or not isinstance(child.value, dict):
        return child
    if _other_type(base.value, child.value, key):
        return child
    merged = dict(base.value)
    for name, node in child.value.items():
        dotted = f"{key}.{name}" if key else name
        merged[name] = merge(merged[name], node, dotted) if name in merged else node
    return Node(merged, child.origin)


def describe_value(node: Node) -> str:
    """Describes the value and its type, for `got ...` in an error."""
    value = node.value
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"a mapping with {shorten(value, _NAMES_SHOWN)}" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return f"{str(value).lower()} (boolean)"
    kind = {int: "whole number", float: "number", str: "string"}[type(value)]
    return f"{quote_value(value)} ({kind})"


def _other_type(base: dict[str, Node], child: dict[str, Node], key: str) -> bool:
    if "type" in base and "type" in child:
        return base["type"].value != child["type"].value
    if key != "model.backbone" or "name" not in base or "name" not in child:
        return False
    # Our backbones share their keys; one from another package has keys of its own.
    before, after = base["name"].value, child["name"].value
    return before != after and any(isinstance(name, str) and name in BACKBONES for name in (before, after))


def _read_text(path: Path) -> str:
    return paths.read_text(path, "configuration file")


def _base_paths(entry: Node | None, path: Path) -> list[Path]:
    if entry is None:
        return []
    items = entry.value if isinstance(entry.value, list) else [entry]
    bases = []
    for item in items:
        if not isinstance(item.value, str):
            raise InputError(f"{item.origin}: {BASE_KEY}: wanted a path or a list of paths, got {describe_value(item)}")
        beside = Path(os.path.normpath(path.parent / paths.expand(item.value)))
        base = beside if paths.exists(beside) else find_packaged(item.value)
        if base is None:
            raise InputError(f"{item.origin}: {BASE_KEY}: no such file: {beside}{near_names(beside)}")
        bases.append(base)
    return bases


def _override_value(name: str, text: str) -> Node:
    if not text.strip():
        return Node(None, Origin(COMMAND_LINE))
    try:
        return parse_yaml(text, COMMAND_LINE)
    except InputError as error:
        raise InputError(f"{error} (in {name}={text})") from error


def _origin(source: str, node: yaml.Node) -> Origin:
    return Origin(source) if source == COMMAND_LINE else Origin(source, node.start_mark.line + 1)


def _node(node: yaml.Node, origin: Origin, key: str) -> Node:
    if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
        return Node(_entries(node, origin, key), origin)
    if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
        items = [_node(item, _origin(origin.source, item), f"{key}[{i}]") for i, item in enumerate(node.value)]
        return Node(items, origin)
    return Node(_scalar(node, origin, key), origin)


def _entries(node: yaml.MappingNode, origin: Origin, key: str) -> dict[str, Node]:
    entries: dict[str, Node] = {}
    for name_node, value_node in node.value:
        place = _origin(origin.source, name_node)
        if not isinstance(name_node, yaml.ScalarNode):
            raise InputError(f"{place}: {key or 'top level'}: wanted a name as key, got a list or mapping")
        name = name_node.value
        dotted = f"{key}.{name}" if key else name
        if name in entries:
            raise InputError(f"{place}: duplicate key {dotted}, already given at {entries[name].origin}")
        entries[name] = _node(value_node, place, dotted)
    return entries


def _scalar(node: yaml.Node, origin: Origin, key: str) -> bool | int | float | str | None:
    text = node.value
    try:
        if node.tag == TAG + "null":
            return None
        if node.tag == TAG + "bool":
            return bool(text.lower() == "true")
        if node.tag == TAG + "int":
            return int(text)
        if node.tag == TAG + "float":
            return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    except ValueError as error:  # an explicit tag that the text does not fit, or more digits than Python converts
        raise InputError(f"{origin}: {key}: wanted a value of tag {node.tag}, got {text[:40]!r}") from error
    if node.tag == TAG + "str":
        if _SURROGATE.search(text):
            raise InputError(f"{origin}: {key}: wanted text, got half of a surrogate pair in {text[:40]!a}")
        return str(text)
    raise InputError(f"{origin}: {key}: unsupported YAML tag {node.tag}")
