"""Report of an import: the use of every parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mindrcnn.messages import shorten


@dataclass(frozen=True)
class Use:
    """The use of a source parameter: our name, and the changes to its value, empty for a plain copy."""

    ours: str
    change: str = ""


@dataclass
class Report:
    """The report of one import.

    Attributes:
        title: source, family and model in one line.
        used: source name -> its use.
        ignored: source names that are not weights, ignored by rule.
        leftover: source names without a place in the model.
        filled: our names that were set from the source.
        partly: our names that also have new rows -> the reason.
        constants: our names that were set to a value implied by the source's layout.
        missing: our names without a source -> the name that was looked up in the source.
        notes: remarks for the reader, one line each.
    """

    title: str
    used: dict[str, Use] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    leftover: list[str] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)
    partly: dict[str, str] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """Counts in one line."""
        reshaped = sum(bool(use.change) for use in self.used.values())
        return (
            f"{len(self.used)} source parameters used ({reshaped} of them reshaped), {len(self.leftover)} without a "
            f"place, {len(self.ignored)} ignored by rule; {len(self.filled)} of our parameters filled, "
            f"{len(self.partly)} in part, {len(self.constants)} constant, {len(self.missing)} not filled"
        )

    def __str__(self) -> str:
        lines = [self.title, self.summary, ""]
        lines += [f"note: {note}" for note in self.notes]
        lines += ["", "source parameters"]
        for name, use in self.used.items():
            lines.append(f"  used      {name} -> {use.ours}" + (f" (reshaped: {use.change})" if use.change else ""))
        lines += [f"  unused    {name} (no place in this model)" for name in self.leftover]
        lines += [f"  unused    {name} (not a weight)" for name in self.ignored]
        lines += ["", "our parameters"]
        lines += [f"  filled    {name}" for name in self.filled]
        lines += [f"  in part   {name}: {reason}" for name, reason in self.partly.items()]
        lines += [f"  constant  {name}" for name in self.constants]
        lines += [f"  missing   {name}: no {source} in the source" for name, source in self.missing.items()]
        return "\n".join(lines) + "\n"


def list_missing(missing: Mapping[str, str]) -> str:
    """Lists the first few missing parameters with the names that were looked up."""
    return shorten([f"{ours} ({source})" for ours, source in missing.items()])
