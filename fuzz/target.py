"""A reader or program, and the altered files that it gets."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """One reader or program.

    name: its name, and that of its folder of kept files.
    file: where each altered file is written before `check` reads it.
    alter: makes an altered file; its only source of chance is the generator.
    check: reads the file at `file`, or runs the program on it. Raises InputError for a bad one.
    share: its part of the mutations, relative to other targets; small for slow ones.
    """

    name: str
    file: Path
    alter: Callable[[random.Random], bytes]
    check: Callable[[], object]
    share: float = 1.0

    def try_content(self, content: bytes) -> object:
        """Writes the file and reads it."""
        self.file.write_bytes(content)
        return self.check()

    def case(self, seed: int, number: int) -> bytes:
        """Returns the altered file of a number."""
        return self.alter(random.Random(f"{self.name} {seed} {number}"))
