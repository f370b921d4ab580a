"""YAML text as PyYAML's nodes, by the core schema of YAML 1.2 and within limits of size."""

from __future__ import annotations

import re

import yaml

# The largest vocabulary of a detection data set has 13,000 names. PyYAML reads some 20,000 values a second, and aliases
# make of 300 characters as many values as memory holds.
MAX_VALUES = 20_000
MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 50  # the configuration has 6 levels; PyYAML's time for a level grows with its depth

TAG = "tag:yaml.org,2002:"
FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_CORE_SCHEMA = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z")),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")),
    ("int", re.compile(r"[-+]?[0-9]+\Z")),
    ("float", FLOAT),
)


class _Loader(yaml.SafeLoader):
    """A loader that reads scalars by the core schema alone, up to MAX_VALUES values and MAX_DEPTH levels."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_many()
        if self._depth > MAX_DEPTH:
            raise RecursionError
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(TAG + _name, _pattern, None)


def compose(text: str) -> yaml.Node | None:
    """Returns the node of the text's only document, None if it is empty.

    Raises YAMLError for other text, for more than MAX_CHARACTERS, and for more than MAX_VALUES values, each counted as
    often as aliases repeat it; RecursionError for nesting beyond MAX_DEPTH.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"wanted up to {MAX_CHARACTERS} characters, got {len(text)}")
    node = yaml.compose(text, Loader=_Loader)
    if node is not None and _count_values(node, {}) > MAX_VALUES:
        raise _too_many()
    return node


def _count_values(node: yaml.Node, counts: dict[yaml.Node, int]) -> int:
    """Returns the number of values in a node; `counts` holds those of nodes that were counted before."""
    if node not in counts:
        values = node.value if isinstance(node, yaml.SequenceNode) else ()
        if isinstance(node, yaml.MappingNode):
            values = [part for pair in node.value for part in pair]
        counts[node] = 1 + sum(_count_values(value, counts) for value in values)
    return counts[node]


def _too_many() -> yaml.YAMLError:
    return yaml.YAMLError(f"wanted up to {MAX_VALUES} values, counting those that aliases repeat")
