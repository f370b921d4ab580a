"""How a configuration key is declared: default, meaning and limits."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Any


def key(default: Any = MISSING, doc: str = "", *, low: float | None = None, high: float | None = None) -> Any:
    """A documented configuration key; `low` and `high` are inclusive limits on a number or on each of a tuple."""
    metadata = {"doc": doc, "low": low, "high": high}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def require(condition: bool, name: str, wanted: str, got: object) -> None:
    """ValueError for a combination of keys that cannot be; the loader adds where `name` was written."""
    if not condition:
        raise ValueError(f"{name}: wanted {wanted}, got {got!r}")
