"""The images of a data set in parts of given shares, by class and without separating images that belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mindrcnn.errors import InputError

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Units:
    """What is put into a part as a whole: n groups of images, a group of one where nothing binds them.

    images: the ids of each.
    sizes: (n,) number of images.
    objects: (n, K) objects of each class, crowds left out.
    """

    images: tuple[tuple[Any, ...], ...]
    sizes: Counts
    objects: Counts


def count_objects(content: Mapping[str, Any]) -> dict[Any, Counter[Any]]:
    """Returns the number of objects of each category id, crowds left out, by image id."""
    counts: dict[Any, Counter[Any]] = {image["id"]: Counter() for image in content["images"]}
    for one in content["annotations"]:
        if not one.get("iscrowd", 0) and one["image_id"] in counts:
            counts[one["image_id"]][one.get("category_id")] += 1
    return counts


def make_units(content: Mapping[str, Any], group: re.Pattern[str] | None, images: Iterable[Any]) -> Units:
    """Returns the images as units.

    content: a COCO file's content.
    group: matched in file names; names with the same match, or the same first group of it, stay together.
    images: ids of the images to take.
    """
    counts, wanted = count_objects(content), set(images)
    members: dict[object, list[Any]] = {}
    for image in content["images"]:
        if image["id"] in wanted:
            found = None if group is None else group.search(str(image.get("file_name", "")))
            key = ("alone", image["id"]) if found is None else found.group(1 if found.re.groups else 0)
            members.setdefault(key, []).append(image["id"])
    categories = {one["id"]: place for place, one in enumerate(content["categories"])}
    objects = np.zeros((len(members), len(categories)), dtype=np.int64)
    for row, ids in enumerate(members.values()):
        for category, number in sum((counts[one] for one in ids), Counter()).items():
            if category in categories:
                objects[row, categories[category]] += number
    sizes = np.array([len(ids) for ids in members.values()], dtype=np.int64)
    return Units(tuple(map(tuple, members.values())), sizes, objects)


def divide(units: Units, sizes: Sequence[int], *, seed: int, by_class: bool) -> list[list[Any]]:
    """Returns the image ids of each part.

    With `by_class`, the classes are dealt out one after another, the rarest first, each unit to the part that lacks
    most of its class (K. Sechidis et al., On the Stratification of Multi-Label Data, 2011).

    units: the images.
    sizes: number of images of each part, which sum to all. Units of several images can miss it.
    seed: decides between equally good parts, and without `by_class` everything.
    by_class: whether each part gets its share of every class.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(units.sizes))
    room = np.array(sizes, dtype=np.float64)
    wanted = room[:, None] / max(room.sum(), 1) * units.objects.sum(axis=0)
    parts: list[list[Any]] = [[] for _ in sizes]
    left = np.ones(len(order), dtype=bool)

    def place(unit: int, need: npt.NDArray[np.float64]) -> None:
        size = units.sizes[unit]
        open_parts = np.flatnonzero(room >= size) if (room >= size).any() else np.flatnonzero(room == room.max())
        best = max(open_parts, key=lambda part: (need[part], room[part]))
        parts[best].extend(units.images[unit])
        room[best] -= size
        wanted[best] -= units.objects[unit]
        left[unit] = False

    while by_class:
        remaining = units.objects[left].sum(axis=0)
        if not remaining.any():
            break
        rarest = int(np.where(remaining > 0, remaining, np.iinfo(np.int64).max).argmin())
        for unit in sorted(order[left[order] & (units.objects[order, rarest] > 0)], key=lambda one: -units.sizes[one]):
            place(int(unit), wanted[:, rarest])
    rest = [int(unit) for unit in order if left[unit]]
    for unit in sorted(rest, key=lambda one: -units.sizes[one]):  # large groups while there is room for them
        place(unit, room)
    return parts


def wanted_count(amount: str, available: int) -> int:
    """Returns the number of images that `12`, `0.2` or `20%` of those available are. Raises InputError for others."""
    try:
        share = float(amount.removesuffix("%")) / 100 if amount.endswith("%") else float(amount)
    except ValueError:
        share = -1.0
    if amount.isdecimal():
        return int(amount)
    if not 0 <= share <= 1:
        raise InputError(f"--images: wanted a number of images, or a share such as 0.2 or 20%, got {amount}")
    return round(share * available)
