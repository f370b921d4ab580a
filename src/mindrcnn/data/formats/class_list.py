"""The labels of the categories of an annotation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

SHOWN_NAMES = 20  # categories in a message


@dataclass(frozen=True)
class ClassList:
    """The classes in label order: label i + 1 is classes[i], whose id in the file is category_ids[i]."""

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]


def match_classes(
    *,
    path: Path,
    names: Sequence[str],
    ids: Sequence[int],
    wanted: Sequence[str],
    used: frozenset[int],
    ignore_others: bool,
) -> ClassList:
    """Returns the labels for the categories of a file.

    A category that no annotation uses is never an error: some tools write a root category that stands for the data set.

    path: the file, for messages.
    names: names of its categories.
    ids: their ids.
    wanted: class names in the order of the labels, each of which must be in the file; empty takes all categories by
        ascending id.
    used: category ids of the annotations.
    ignore_others: whether annotations of categories outside `wanted` are ignored instead of an error.
    """
    if not names:
        raise InputError(f"{path}: categories: wanted at least one, got none")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise InputError(f"{path}: categories: wanted every name once, got {', '.join(repeated)} several times")
    id_of = dict(zip(names, ids, strict=True))
    if not wanted:
        ordered = sorted(names, key=id_of.__getitem__)
        return ClassList(tuple(ordered), tuple(id_of[name] for name in ordered))
    _require_known(path, wanted, names)
    others = sorted(name for name in set(names) - set(wanted) if id_of[name] in used)
    if others and not ignore_others:
        raise InputError(
            f"{path}: has annotations of categories outside the class list: {', '.join(others)}; add them to "
            f"data.classes, or set data.ignore_other_categories to leave them out"
        )
    return ClassList(tuple(wanted), tuple(id_of[name] for name in wanted))


def _require_known(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    lines = []
    for name in missing:
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        lines.append(f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else ""))
    raise InputError(
        f"{path}: the class list names categories that the file does not have: {'; '.join(lines)}. The file has "
        f"{len(names)}: {shorten(names, SHOWN_NAMES)}"
    )
