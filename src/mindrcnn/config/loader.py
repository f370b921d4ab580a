"""The typed configuration read from YAML and command-line overrides, and written as YAML.

Every mistake is one InputError that names the file and line (or the command line), the dotted key, what was wanted and
what was there.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from mindrcnn.config.packaged import find_config
from mindrcnn.config.run import Config
from mindrcnn.config.schema import (
    accepts_null,
    all_keys,
    describe_limits,
    describe_type,
    is_union,
    keys_of,
    tagged_members,
)
from mindrcnn.config.yaml_tree import (
    Node,
    Origin,
    Overrides,
    describe_value,
    dump_yaml,
    merge,
    override_tree,
    parse_yaml,
    read_tree,
)
from mindrcnn.errors import InputError
from mindrcnn.extensions import HINT, load_extensions
from mindrcnn.zoo.table import find_key, keys_of_section

# Least similarity (difflib's ratio) at which a key elsewhere in the tree is suggested.
_ALIKE_ELSEWHERE = 0.75
_SECTION_EXAMPLES = 2

# MindSpore and NumPy count with int64.
_LARGEST = {int: 2**63 - 1, float: sys.float_info.max}


@dataclass(frozen=True)
class _Place:
    """A value's dotted key, the limits on its numbers and, for a section of several types, the key that names the type.

    `is_open`: other packages can add types or names, which may explain an unknown one.
    """

    key: str
    low: float | None = None
    high: float | None = None
    tag: str = "type"
    is_open: bool = False

    def item(self, index: int) -> _Place:
        return _Place(f"{self.key}[{index}]", self.low, self.high)


def load_config(path: str | Path, overrides: Overrides = ()) -> Config:
    """Returns the configuration of a YAML file, its bases and the overrides; keys not given keep their default.

    A path that does not exist is looked up among the packaged configurations. Raises InputError for a file that cannot
    be read, and for unknown keys, wrong values and impossible combinations.
    """
    load_extensions()
    return _resolve(read_tree(find_config(Path(path))), overrides)


def parse_config(text: str, source: str, overrides: Overrides = ()) -> Config:
    """Returns the configuration of a resolved YAML text, such as a checkpoint holds; `source` names it in errors.

    Raises InputError as `load_config` does; `base` is not a key of a resolved text.
    """
    load_extensions()
    return _resolve(parse_yaml(text, source), overrides)


def dump_config(config: Config) -> str:
    """Returns the complete configuration as YAML, keys in the order declared; `parse_config` reads it back equal."""
    return dump_yaml(_plain(config))


def list_settings(config: Config) -> dict[str, str]:
    """Returns every value as text, by its dotted key."""
    return dict(_flat(_plain(config), ""))


def _flat(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield key, str(value)
        return
    for name, child in value.items():
        yield from _flat(child, f"{key}.{name}" if key else name)


def _resolve(tree: Node, overrides: Overrides) -> Config:
    if not isinstance(tree.value, dict):
        raise InputError(f"{tree.origin}: wanted keys and values, got {describe_value(tree)}")
    source = Origin(tree.origin.source)
    tree = merge(tree, override_tree(overrides))
    try:
        return _section(Config, tree, "", Config())
    except ValueError as error:  # from a dataclass's __post_init__, as "key: wanted ..., got ..."
        raise InputError(f"{_origin_of(str(error).partition(':')[0], tree, source)}: {error}") from error


def _section(section: type, node: Node, key: str, default: Any) -> Any:
    """Returns an instance of the dataclass `section`; keys not given come from `default`, an instance or MISSING."""
    if not isinstance(node.value, dict):
        raise _wrong(node, _Place(key), section)
    keys = keys_of(section)
    for name in node.value:
        if name not in {item.name for item in keys}:
            raise _unknown(node.value[name], key, name, [item.name for item in keys])
    values = {}
    for item in keys:
        place = _Place(f"{key}.{item.name}" if key else item.name, item.low, item.high, item.tag, item.is_open)
        inherited = item.default if default is MISSING else getattr(default, item.name)
        if item.name in node.value:
            values[item.name] = _value(item.hint, node.value[item.name], place, inherited)
        elif inherited is MISSING:
            raise InputError(f"{node.origin}: {place.key}: wanted {describe_type(item.hint)}, got no such key")
        else:
            values[item.name] = inherited
    return section(**values)


def _value(hint: Any, node: Node, place: _Place, default: Any) -> Any:
    if is_union(hint) or place.tag != "type":
        return _tagged(hint, node, place, default)
    if is_dataclass(hint) and isinstance(hint, type):
        return _section(hint, node, place.key, default)
    if get_origin(hint) is Literal:
        if node.value not in get_args(hint):
            raise _wrong(node, place, hint)
        return node.value
    if get_origin(hint) is tuple:
        return _tuple(hint, node, place)
    return _scalar(hint, node, place)


def _tagged(hint: Any, node: Node, place: _Place, default: Any) -> Any:
    """Returns the section of the type that its tag names."""
    if node.value is None and accepts_null(hint):
        return None
    if not isinstance(node.value, dict):
        raise _wrong(node, place, hint)
    members = tagged_members(hint, place.tag)
    wanted = f"{place.key}.{place.tag}: wanted one of {', '.join(members)}"
    if place.tag not in node.value:
        if is_dataclass(default):
            return _section(type(default), node, place.key, default)
        raise InputError(f"{node.origin}: {wanted}, got no such key")
    tag = node.value[place.tag]
    if not isinstance(tag.value, str) or tag.value not in members:
        raise InputError(f"{tag.origin}: {wanted}, got {describe_value(tag)}{_explanation(place)}")
    member = members[tag.value]
    return _section(member, node, place.key, default if isinstance(default, member) else MISSING)


def _tuple(hint: Any, node: Node, place: _Place) -> tuple[Any, ...]:
    items = get_args(hint)
    if not isinstance(node.value, list):
        raise _wrong(node, _Place(place.key), hint)
    if items[1:] == (Ellipsis,):
        items = (items[0],) * len(node.value)
    if len(node.value) != len(items):
        raise _wrong(node, _Place(place.key), hint)
    pairs = enumerate(zip(items, node.value, strict=True))
    return tuple(_value(item, child, place.item(i), MISSING) for i, (item, child) in pairs)


def _scalar(hint: Any, node: Node, place: _Place) -> Any:
    value = node.value
    if hint is str and value is None:  # `a.b=` on a command line
        value = ""
    if hint is float and type(value) is int:
        value = float(value) if abs(value) < 2**1023 else math.inf
    if type(value) is not hint:
        raise _wrong(node, place, hint)
    if isinstance(value, int | float) and not isinstance(value, bool):
        inside = (place.low is None or value >= place.low) and (place.high is None or value <= place.high)
        if not inside or not -_LARGEST[hint] <= value <= _LARGEST[hint]:
            raise _wrong(node, place, hint)
    return value


def _wrong(node: Node, place: _Place, hint: Any) -> InputError:
    wanted = " ".join(part for part in (describe_type(hint), describe_limits(place.low, place.high)) if part)
    hint_quotes = " (quotes make a string)" if hint is str and isinstance(node.value, bool | int | float) else ""
    return InputError(
        f"{node.origin}: {place.key}: wanted {wanted}{hint_quotes}, got {describe_value(node)}{_explanation(place)}"
    )


def _explanation(place: _Place) -> str:
    return f" ({HINT})" if place.is_open else ""


def _unknown(node: Node, key: str, name: str, siblings: Iterable[str]) -> InputError:
    prefix = f"{key}." if key else ""
    siblings = list(siblings)
    counterpart = _zoo_counterpart(node, prefix, name)
    if counterpart:
        return InputError(counterpart)
    # The same key of another type of this section cannot be meant.
    elsewhere = {item.name: dotted for dotted, item in all_keys(Config) if dotted != f"{prefix}{name}"}
    zoo_keys = [] if prefix or name in elsewhere else keys_of_section(name)
    if zoo_keys:
        examples = ", ".join(f"{key.name} is {key.ours[0]} here" for key in zoo_keys[:_SECTION_EXAMPLES])
        return InputError(
            f"{node.origin}: unknown key {name}, a section of the model zoo's files, which `mindrcnn migrate FILE` "
            f"converts; {examples}"
        )
    message = f"{node.origin}: unknown key {prefix}{name}, nearest valid key: "
    here = difflib.get_close_matches(name, siblings, n=1)
    if here:
        return InputError(f"{message}{prefix}{here[0]}")
    meant = difflib.get_close_matches(name, elsewhere, n=1, cutoff=_ALIKE_ELSEWHERE)
    if meant:
        return InputError(f"{message}{elsewhere[meant[0]]}")
    nearest = difflib.get_close_matches(name, siblings, n=1, cutoff=0.0)[0]
    return InputError(f"{message}{prefix}{nearest} (valid here: {', '.join(siblings)})")


def _zoo_counterpart(node: Node, prefix: str, name: str) -> str:
    """Returns the message about a key of the model zoo, the first known one of a section of it; empty for any other."""
    if not prefix and isinstance(node.value, dict):
        inner = (_zoo_counterpart(child, "", f"{name}.{part}") for part, child in node.value.items())
        return next(filter(None, inner), "")
    known = find_key(name)
    if known is None:
        return ""
    remark = f" ({known.remark})" if known.remark else ""
    if known.ours:
        return f"{node.origin}: unknown key {prefix}{name}, nearest valid key: {known.ours[0]}{remark}"
    return f"{node.origin}: unknown key {prefix}{name}, which has no key here{remark}"


def _origin_of(key: str, tree: Node, otherwise: Origin) -> Origin:
    """Returns the origin of a dotted key, or else of the closest section around it; else `otherwise`."""
    node, origin = tree, otherwise
    for name in key.split("."):
        if not isinstance(node.value, dict) or name not in node.value:
            break
        node = node.value[name]
        origin = node.origin
    return origin


def _plain(value: Any) -> Any:
    """Returns a configuration value as nested dicts, lists and scalars."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in keys_of(type(value))}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
