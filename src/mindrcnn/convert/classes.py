"""Classes of an import: the source's, the result's, and where each of the result's comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindrcnn import paths
from mindrcnn.convert.coco_classes import COCO_CLASSES, COCO_ID_OF, LARGEST_ID, NAMES_BY_ID, UNUSED_IDS
from mindrcnn.errors import InputError
from mindrcnn.weights.class_axes import NEW


@dataclass(frozen=True)
class ClassChoice:
    """The classes of a result and their origin.

    Attributes:
        names: names[i] has label i + 1.
        category_ids: ids of the classes in the data set, in the same order.
        sources: index of each class in the source, counted from 0, or NEW.
        source_count: number of classes in the source, without the background.
        notes: remarks on classes that were dropped or are new.
    """

    names: tuple[str, ...]
    category_ids: tuple[int, ...]
    sources: tuple[int, ...]
    source_count: int
    notes: tuple[str, ...]


def choose_classes(
    count: int, *, wanted: Sequence[str] = (), source_names: Sequence[str] = (), all_outputs: bool = False
) -> ClassChoice:
    """Chooses the classes of a result.

    count: number of foreground outputs of the source.
    wanted: names of the result's classes, in order; if empty, the source's.
    source_names: names of the source's outputs; if empty, COCO's for 80 and for 90 outputs (category ids), else
        class_1, class_2, ...
    all_outputs: keeps the outputs for category ids that COCO does not use.
    Raises InputError if there are not as many source_names as outputs, or if a name is repeated.
    """
    known = name_outputs(count, source_names)
    by_id = count == LARGEST_ID and known == NAMES_BY_ID
    everything = COCO_CLASSES if by_id and not all_outputs else known
    names = tuple(wanted) or everything
    if len(set(names)) != len(names):
        raise InputError("classes: wanted every name once, got repeated names")
    unnamed = not source_names and count not in (len(COCO_CLASSES), LARGEST_ID)
    if unnamed and len(names) == count:
        sources: tuple[int, ...] = tuple(range(count))
    else:
        sources = tuple(known.index(name) if name in known else NEW for name in names)
    return ClassChoice(
        names=names,
        category_ids=_category_ids(names, by_id=by_id),
        sources=sources,
        source_count=count,
        notes=tuple(_notes(known, names, sources)),
    )


def name_outputs(count: int, given: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the source's outputs: the given ones, COCO's or numbered ones."""
    if given:
        if len(given) != count:
            raise InputError(f"source classes: wanted {count} names, one per output of the weights, got {len(given)}")
        return tuple(given)
    if count == len(COCO_CLASSES):
        return COCO_CLASSES
    return NAMES_BY_ID if count == LARGEST_ID else tuple(f"class_{i + 1}" for i in range(count))


def read_class_file(path: Path) -> tuple[str, ...]:
    """Reads one name a line, ignoring empty lines. Raises InputError if the file cannot be read or is empty."""
    text = paths.read_text(path, "file of class names")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not names:
        raise InputError(f"{path}: wanted one class name a line, got none")
    return names


def _category_ids(names: tuple[str, ...], *, by_id: bool) -> tuple[int, ...]:
    if by_id and len(names) == LARGEST_ID:
        return tuple(range(1, LARGEST_ID + 1))
    if all(name in COCO_ID_OF for name in names):
        return tuple(COCO_ID_OF[name] for name in names)
    return tuple(range(1, len(names) + 1))


def _notes(known: tuple[str, ...], names: tuple[str, ...], sources: tuple[int, ...]) -> list[str]:
    new = [name for name, source in zip(names, sources, strict=True) if source == NEW]
    unused = {NAMES_BY_ID[number - 1] for number in UNUSED_IDS} if known == NAMES_BY_ID else set()
    dropped = [name for i, name in enumerate(known) if i not in sources and name not in unused]
    outputs = [name for i, name in enumerate(known) if i not in sources and name in unused]
    notes = []
    if outputs:
        notes.append(f"dropped {len(outputs)} outputs of category ids that COCO does not use")
    if dropped:
        notes.append(f"dropped {len(dropped)} classes: {', '.join(dropped)}")
    if new:
        notes.append(f"{len(new)} classes are new and start from initial values: {', '.join(new)}")
    return notes
