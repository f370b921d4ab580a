"""Seeded alterations of valid files."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

WEIRD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, float("nan"), float("inf")),
    *(2**31 - 1, 2**31, -(2**31), 2**32, 2**53, 2**63, 2**64, 10**400, 1e9, 1e39, 1e308, -1e308),
    *("", "a", "0", "\ud800", "\udc80", "\0", "../x", "/dev/zero", "x" * 3000, "NaN", "\u0661"),
    *([], {}, [[]], [None], [[1]], {"a": 1}, [1, 2, 3, 4], [0, 0, 0, 0], [1e39] * 6, [[1e9, 1, 2, 30, 40, 50]]),
    *([[1, 2, 3, 4, 5, 6]], {"size": [1, 1], "counts": [1]}, {"size": [64, 64], "counts": "abc"}),
    *({"size": [2**32 + 64, 64], "counts": [(2**32 + 64) * 64]}, {"size": [64.0, 64.0], "counts": [4096]}),
    *({"size": [64, 64], "counts": [-5, 4101]}, {"size": [64, 64], "counts": ["x" * 1000, 0]}),
)
BYTES = (0, 255, 127, 128, 32, 34, 44, 45, 48, 58, 91, 93, 123, 125, 10)
DEPTHS = (50, 900, 100_000)


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flips, replaces, removes, inserts and repeats bytes."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << rng.randrange(8)
            case 1 if place < len(changed):
                changed[place] = rng.choice(BYTES)
            case 2:
                del changed[place : place + rng.choice((1, 2, 8, 100))]
            case 3:
                changed[place:place] = rng.randbytes(rng.choice((1, 2, 8)))
            case 4:
                start = rng.randrange(len(changed) + 1)
                changed[place:place] = changed[start : start + rng.choice((4, 16, 64))]
            case 5 if rng.random() < 0.3:
                del changed[place:]
    return bytes(changed)


def insert_parts(content: bytes, parts: Sequence[bytes], rng: random.Random) -> bytes:
    """Returns the content with up to two of the parts in it, each in the place of up to four bytes."""
    altered = bytearray(content)
    for _ in range(rng.randrange(3)):
        place = rng.randrange(len(altered) + 1)
        altered[place : place + rng.choice((0, 1, 4))] = rng.choice(parts)
    return bytes(altered)


def mutate_tree(document: Any, rng: random.Random) -> Any:
    """Replaces, removes, moves, repeats and renames values of a JSON document."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            break
        parent, key = rng.choice(places)
        match rng.randrange(10):
            case 0 | 1 | 2 | 3 | 4 | 5:
                parent[key] = copy.deepcopy(rng.choice(WEIRD))
            case 6:
                del parent[key]
            case 7:
                other, name = rng.choice(places)
                parent[key] = copy.deepcopy(other[name])
            case 8 if isinstance(parent, list):
                parent.insert(key, copy.deepcopy(parent[key]))
            case 9 if isinstance(parent, dict):
                parent[rng.choice(("a", "", "\ud800", "type", "counts", "size"))] = parent.pop(key)
    return document


def mutate_json(document: Any, rng: random.Random) -> bytes:
    """Returns the text of an altered document, or a document's altered text."""
    if rng.random() < 0.7:
        return json.dumps(mutate_tree(document, rng)).encode()
    text = json.dumps(document).encode()
    if rng.random() < 0.1:
        place, depth = rng.randrange(len(text)), rng.choice(DEPTHS)
        return text[:place] + b"[" * depth + b"]" * depth + text[place:]
    return mutate_bytes(text, rng)


def _places(document: Any) -> Any:
    """Yields (parent, key) of every value."""
    pairs = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(pairs):
        yield document, key
        if isinstance(value, dict | list):
            yield from _places(value)
