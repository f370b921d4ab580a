"""A migration as YAML text, with a comment for each key of the zoo file."""

from __future__ import annotations

import textwrap
from typing import Any

from mindrcnn.config.run import Config
from mindrcnn.config.schema import all_keys
from mindrcnn.config.yaml_tree import dump_yaml
from mindrcnn.messages import quote_value
from mindrcnn.migrate.literals import Expression
from mindrcnn.migrate.result import Entry, Group, Migration
from mindrcnn.outputs import MARK

_WIDTH = 120
_TITLES: dict[Group, str] = {
    "by_hand": "To give by hand:",
    "lost": "Without a counterpart here, or with a value that is not possible:",
    "unknown": "Not keys of the model zoo's detectors that are known here:",
    "settled": "Nothing to set: computed, always so here, or in another key:",
}
_HEAD = (
    "{source}, migrated; {mark}. Beside each value is the model zoo's key that it comes from, with what differs in its "
    "meaning. The keys that set nothing here stand at the end. `base` holds what the zoo fixes in its code."
)


def render(migration: Migration) -> str:
    """Returns the text of the configuration file."""
    tree: dict[str, Any] = {}
    known = [dotted for dotted, _ in all_keys(Config)]
    order = sorted(migration.entries, key=known.index)
    for ours in order:
        *sections, last = ours.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = migration.entries[ours]
    head = _comment(_HEAD.format(source=_one_line(migration.source), mark=MARK))
    return "".join((head, dump_yaml({"base": migration.bases}), _mapping(tree, "", set()), *_leftovers(migration)))


def _mapping(tree: dict[str, Any], indent: str, told: set[str]) -> str:
    text = ""
    for name, value in tree.items():
        if isinstance(value, dict):
            text += f"{indent}{name}:\n{_mapping(value, indent + '  ', told)}"
        else:
            text += _entry(name, value, indent, told)
    return text


def _entry(name: str, entry: Entry, indent: str, told: set[str]) -> str:
    """Returns the lines of one value; `told` holds the keys whose remarks stand above, and receives these."""
    lines = textwrap.indent(dump_yaml({name: entry.value}), indent)
    remarks = [origin for origin in entry.origins if origin.remark and origin.name not in told]
    told.update(origin.name for origin in remarks)
    above = "".join(_comment(f"{item.name}: {quote_value(item.value)} ({item.remark})", indent) for item in remarks)
    others = ", ".join(origin.name for origin in entry.origins if origin not in remarks)
    first, newline, rest = lines.partition("\n")
    beside = f"  # {_one_line(others)}" if others else ""
    return f"{above}{first}{beside}{newline}{rest}"


def _leftovers(migration: Migration) -> list[str]:
    parts = []
    for group, title in _TITLES.items():
        rows = [item for item in migration.left if item.group == group]
        if rows:
            texts = [f"{row.name}: {_whole(row.value)}{f' - {row.reason}' if row.reason else ''}" for row in rows]
            parts.append("\n" + _comment(title) + "".join(_comment(text, hang="  ") for text in texts))
    return parts


def _comment(text: str, indent: str = "", hang: str = "") -> str:
    first = f"{indent}# {hang}"
    lines = [
        textwrap.fill(
            _one_line(line),
            _WIDTH,
            initial_indent=first,
            subsequent_indent=f"{first}{hang}",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    ]
    return "".join(f"{line}\n" for line in lines)


def _whole(value: Any) -> str:
    return value.text if isinstance(value, Expression) else repr(value)


def _one_line(text: str) -> str:
    """Returns a text in which nothing ends the line, so that all of it stays in its comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
