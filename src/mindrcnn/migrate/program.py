"""From a file of the zoo to a file of ours, and the account of its keys."""

from __future__ import annotations

import sys
from pathlib import Path

from mindrcnn.atomic import write_text
from mindrcnn.migrate.conversion import migrate
from mindrcnn.migrate.page import render
from mindrcnn.migrate.result import Migration
from mindrcnn.migrate.source import read_zoo_file
from mindrcnn.outputs import Output, protect


def migrate_file(path: Path, *, out: Path | None, force: bool = False) -> None:
    """Writes the migrated configuration to `out`, or to standard output, and the account of its keys to stderr.

    Raises InputError for a file that cannot be read, and for an `out` that must not be replaced.
    """
    if out is not None:
        protect([Output(out)], inputs=[path], force=force)
    file = read_zoo_file(path)
    migration = migrate(file)
    text = render(migration)
    if out is None:
        sys.stdout.write(text)
    else:
        write_text(out, text)
    sys.stderr.write(_account(migration, total=len(file.values), name=str(out or path)))


def _account(migration: Migration, *, total: int, name: str) -> str:
    """Returns one line with the number of keys by their fate."""
    carried = total - len({item.name for item in migration.left})
    numbers = [f"{carried} of {total} keys carried over", f"{migration.count('settled')} need none here"]
    numbers += [f"{migration.count('by_hand')} to give by hand", f"{migration.count('lost')} without a counterpart"]
    unknown = migration.count("unknown")
    return f"{name}: {', '.join(numbers)}{f', {unknown} not known' if unknown else ''}\n"
