"""Tiles of an image: where they lie, and their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mindrcnn.data.image_io import ImageSource, RGBImage
from mindrcnn.errors import InputError

LEAST_SIDE = 32  # pixels; a tile holds whole objects
OVERLAP = 0.2  # unless chosen, as in SAHI
MOST_OVERLAP = 0.9  # with 0.99, a tile's step of 1 % makes a hundred times as many


@dataclass(frozen=True)
class Tiling:
    """Square tiles of `side` pixels, of which neighbours share the part `overlap` of a side."""

    side: int
    overlap: float = OVERLAP

    def __post_init__(self) -> None:
        if self.side < LEAST_SIDE:
            raise InputError(f"tiles: wanted a side of at least {LEAST_SIDE} pixels, got {self.side}")
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise InputError(f"overlap: wanted a part of the tile from 0 to {MOST_OVERLAP}, got {self.overlap:g}")


def tiling_of(tiles: int | None, overlap: float) -> Tiling | None:
    """Returns the tiles that a caller asks for; None for None."""
    return None if tiles is None else Tiling(tiles, overlap)


@dataclass(frozen=True)
class Window:
    """A part of an image in whole pixels; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


def windows_of(size: tuple[int, int], tiling: Tiling) -> list[Window]:
    """Returns the whole image of `size` (h, w) and, unless a tile covers it, its tiles row by row.

    The last tile of a row or column ends with the image, so that all tiles have the same size.
    """
    height, width = size
    whole = Window(0, 0, width, height)
    if max(size) <= tiling.side:
        return [whole]
    side = tiling.side
    return [
        whole,
        *(
            Window(left, top, min(left + side, width), min(top + side, height))
            for top in _starts(height, tiling)
            for left in _starts(width, tiling)
        ),
    ]


def _starts(length: int, tiling: Tiling) -> list[int]:
    """Returns where the tiles of a row or column of `length` pixels begin."""
    last = max(length - tiling.side, 0)
    step = tiling.side - round(tiling.side * tiling.overlap)
    return [*range(0, last, step), last]


class Photograph:
    """An image whose pixels are decoded once, as long as any of its tiles is referenced."""

    def __init__(self, source: ImageSource) -> None:
        self.source = source

    @cached_property
    def pixels(self) -> RGBImage:
        """(H, W, 3) uint8."""
        return self.source.image()


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of a photograph as an image of its own; `is_last` tells the last one of its photograph."""

    photograph: Photograph
    window: Window
    is_last: bool

    @property
    def path(self) -> Path | None:
        """The file of the photograph."""
        return self.photograph.source.path

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.window.bottom - self.window.top, self.window.right - self.window.left

    def image(self) -> RGBImage:
        """Returns the part's pixels."""
        window = self.window
        return self.photograph.pixels[window.top : window.bottom, window.left : window.right]


def tiles_of(source: ImageSource, tiling: Tiling) -> Iterator[Tile]:
    """Yields the whole image and its tiles. Raises InputError before the first if the image cannot be read."""
    photograph = Photograph(source)
    height, width = photograph.pixels.shape[:2]
    windows = windows_of((height, width), tiling)
    for number, window in enumerate(windows, start=1):
        yield Tile(photograph, window, number == len(windows))
