"""The fate of every key of a zoo file: a value of our configuration, or the reason why there is none."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from mindrcnn.config.loader import load_config
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value
from mindrcnn.migrate.literals import Expression
from mindrcnn.migrate.page import render
from mindrcnn.migrate.recipe import choose_bases
from mindrcnn.migrate.result import Entry, Group, Leftover, Migration, Origin
from mindrcnn.migrate.source import ZooFile
from mindrcnn.zoo.key import Convert
from mindrcnn.zoo.table import find_key

_REFUSED = re.compile(r", line \d+: (?:unknown key )?([\w.]+)")


def migrate(file: ZooFile) -> Migration:
    """Converts a zoo file. Raises InputError if what remains after all refused values is no configuration."""
    migration = Migration(source=file.path.name, bases=choose_bases(file.values))
    for name, value in file.values.items():
        _place(migration, file, name, value)
    for line in file.statements:
        migration.left.append(
            Leftover(
                line.partition(": ")[0], Expression(line.partition(": ")[2]), "a statement, which is not run", "by_hand"
            )
        )
    _drop_refused(migration, file)
    return migration


def _place(migration: Migration, file: ZooFile, name: str, value: Any) -> None:
    key = find_key(name)

    def leave(reason: str, group: Group) -> None:
        migration.left.append(Leftover(name, value, reason, group))

    if key is None:
        leave(_description(file, name), "unknown")
    elif isinstance(value, Expression):
        leave(_with_keys("an expression, which is not run", key.ours), "by_hand")
    elif key.fate == "by_hand":
        leave(key.remark, "by_hand" if value else "settled")
    else:
        result = _convert(key.convert, value, file.values)
        clash = next((ours for ours in result.values if _differs(migration, ours, result.values[ours])), None)
        if result.reason:
            leave(result.reason, "lost")
        elif clash is not None:
            origins = ", ".join(origin.name for origin in migration.entries[clash].origins)
            leave(f"{clash} is already set by {origins}", "lost")
        elif not result.values:
            leave(_with_keys(key.remark, key.ours), "settled")
        for ours, converted in result.values.items() if clash is None else ():
            entry = migration.entries.setdefault(ours, Entry(converted))
            entry.origins.append(Origin(name, value, key.remark))


class _Converted:
    """The values that a conversion gave, or its reason for giving none."""

    def __init__(self, values: dict[str, Any], reason: str = "") -> None:
        self.values = values
        self.reason = reason


def _convert(convert: Convert, value: Any, values: dict[str, Any]) -> _Converted:
    try:
        return _Converted(convert(value, values))
    except ValueError as error:
        return _Converted({}, str(error))
    except (TypeError, AttributeError, ArithmeticError, LookupError):
        return _Converted({}, f"wanted another kind of value, got {quote_value(value)}")


def _differs(migration: Migration, ours: str, value: Any) -> bool:
    return ours in migration.entries and migration.entries[ours].value != value


def _description(file: ZooFile, name: str) -> str:
    parts = [str(file.notes[name])] if name in file.notes else []
    if name in file.choices:
        parts.append(f"one of {file.choices[name]}")
    return "; ".join(parts)


def _with_keys(remark: str, ours: tuple[str, ...]) -> str:
    missing = [name for name in ours if name not in remark]
    return f"{remark} ({', '.join(missing)})" if missing else remark


def _drop_refused(migration: Migration, file: ZooFile) -> None:
    """Moves values that the loader refuses to the leftovers, until it refuses none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.yaml"
        while True:
            path.write_text(render(migration), encoding="utf-8")
            try:
                load_config(path)
                return
            except InputError as error:
                refused = _REFUSED.search(str(error).removeprefix(str(path)))
                ours = _entries_of(migration, refused[1] if refused else "")
                if not ours:
                    raise InputError(f"{file.path}: cannot be migrated: {error}") from error
                reason = str(error).removeprefix(str(path)).partition(": ")[2]
                for origin in [origin for name in ours for origin in migration.entries.pop(name).origins]:
                    migration.left.append(Leftover(origin.name, origin.value, f"not possible: {reason}", "lost"))


def _entries_of(migration: Migration, refused: str) -> list[str]:
    """Returns the key that the loader refused, or else those of its section."""
    if refused in migration.entries:
        return [refused]
    section = f"{refused.rpartition('.')[0]}."
    return [name for name in migration.entries if section != "." and name.startswith(section)]
