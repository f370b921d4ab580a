"""The labels of the categories of an annotation file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from mindrcnn.errors import InputError
from mindrcnn.messages import shorten

BACKGROUND = ("background", "bg")  # names of no class
SHOWN_NAMES = 20  # categories in a message
# Of a file; the largest sets have 13,000 classes. The evaluation keeps 97 kB for each: 10 IoUs x 101 recalls x 4 areas
# x 3 numbers of detections.
MAX_CATEGORIES = 20_000


@dataclass(frozen=True)
class ClassList:
    """The classes in label order: label i + 1 is classes[i], whose id in the file is category_ids[i].

    left_out: a description of each category without annotations that has the name of another or stands for no class.
    """

    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def match_classes(
    *,
    path: Path,
    names: Sequence[str],
    ids: Sequence[int],
    parents: Sequence[str],
    wanted: Sequence[str],
    used: frozenset[int],
    ignore_others: bool,
) -> ClassList:
    """Returns the labels for the categories of a file.

    A category that no annotation uses is never an error: some tools write a root category that stands for the data set,
    and may give it the name of a class. Unless it is wanted, it is no class if it is the parent of all others or called
    background.

    path: the file, for messages.
    names: names of its categories.
    ids: their ids.
    parents: their `supercategory`, empty where there is none.
    wanted: class names in the order of the labels, each of which must be in the file; empty takes all categories by
        ascending id.
    used: category ids of the annotations.
    ignore_others: whether annotations of categories outside `wanted` are ignored instead of an error.
    """
    if not names:
        raise InputError(f"{path}: categories: wanted at least one, got none")
    if len(names) > MAX_CATEGORIES:
        raise InputError(f"{path}: categories: wanted at most {MAX_CATEGORIES}, got {len(names)}")
    id_of, left_out = _ids_by_name(path, names, ids, used)
    if not wanted:
        no_class = _no_classes(names, ids, parents, used)
        ordered = sorted(id_of.keys() - no_class.keys(), key=id_of.__getitem__)
        left_out = (*left_out, *no_class.values())
        return ClassList(tuple(ordered), tuple(id_of[name] for name in ordered), left_out)
    _require_known(path, wanted, names)
    others = sorted(name for name in set(names) - set(wanted) if id_of[name] in used)
    if others and not ignore_others:
        raise InputError(
            f"{path}: has annotations of categories outside the class list: {', '.join(others)}; add them to "
            f"data.classes, or set data.ignore_other_categories to leave them out"
        )
    return ClassList(tuple(wanted), tuple(id_of[name] for name in wanted), left_out)


def _ids_by_name(
    path: Path, names: Sequence[str], ids: Sequence[int], used: frozenset[int]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Returns the id of each name, and the categories that are left out for another of their name.

    Of several categories with one name, the one with annotations is taken; if none has any, the one with the highest
    id, because a root category is the first. Raises InputError for a name of which several have annotations.
    """
    ids_of: dict[str, list[int]] = {}
    for name, category_id in zip(names, ids, strict=True):
        ids_of.setdefault(name, []).append(category_id)
    repeated = sorted(name for name, same in ids_of.items() if len(used.intersection(same)) > 1)
    if repeated:
        raise InputError(f"{path}: categories: wanted every name once, got {', '.join(repeated)} several times")
    id_of = {name: max(same, key=lambda one: (one in used, one)) for name, same in ids_of.items()}
    left_out = tuple(
        f"category id {one} ({name}), which no annotation uses and whose name is that of category id {id_of[name]}"
        for name, same in ids_of.items()
        for one in same
        if one != id_of[name]
    )
    return id_of, left_out


def _no_classes(
    names: Sequence[str], ids: Sequence[int], parents: Sequence[str], used: frozenset[int]
) -> dict[str, str]:
    """Returns a description of each category without annotations that is the root of all others or a background."""
    found = {}
    for name, category_id in zip(names, ids, strict=True):
        others = {parent for other, parent in zip(names, parents, strict=True) if other != name}
        if category_id in used or names.count(name) > 1 or not others:
            continue
        if others == {name}:
            found[name] = f"category id {category_id} ({name}), which no annotation uses and which all others belong to"
        elif name.strip("_").lower() in BACKGROUND:
            found[name] = f"category id {category_id} ({name}), which no annotation uses"
    return found


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
