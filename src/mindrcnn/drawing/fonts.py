"""Fonts for names in any script: DejaVu Sans, bundled with matplotlib, or an installed font that has the letters.

Importing matplotlib takes a third of the time in which a detector is ready to load, so it waits for the first caption.
"""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from PIL import ImageFont

logger = logging.getLogger(__name__)


@functools.lru_cache(maxsize=64)
def load_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """Loads a font at a size in pixels."""
    return ImageFont.truetype(str(path), size)


@functools.lru_cache(maxsize=4096)
def legible_name(name: str, label: int) -> str:
    """Returns `name`, or "class LABEL" if no installed font has its letters (logged once per name)."""
    if font_file(name) is not None:
        return name
    logger.warning("no installed font has the letters of class name %r: pictures show 'class %d' instead", name, label)
    return f"class {label}"


@functools.lru_cache(maxsize=1)
def bundled_font() -> Path:
    """Returns the file of DejaVu Sans."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def font_file(text: str) -> Path | None:
    """Finds a font file with every character of `text`; None if there is none."""
    if _covers(bundled_font(), text):
        return bundled_font()
    return next((path for path in _installed() if _covers(path, text)), None)


@functools.lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    from matplotlib import font_manager

    return tuple(Path(name) for name in sorted(font_manager.findSystemFonts()))


@functools.lru_cache(maxsize=512)
def _characters(path: Path) -> frozenset[int]:
    from matplotlib import ft2font

    try:
        return frozenset(ft2font.FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError, ValueError):  # a damaged font, or a format that FreeType does not support
        return frozenset()


def _covers(path: Path, text: str) -> bool:
    return _characters(path).issuperset(ord(character) for character in text)
