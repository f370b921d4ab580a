"""Looks of drawn objects, as a user chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColourBy = Literal["class", "instance"]


@dataclass(frozen=True, kw_only=True)
class Style:
    """Looks of drawn objects.

    colour_by: whether objects of a class share a colour, or each has one of its own.
    line_width: thickness of lines in pixels; None follows the size of the picture.
    labels: whether captions name the class.
    scores: whether captions have the score.
    """

    colour_by: ColourBy = "class"
    line_width: int | None = None
    labels: bool = True
    scores: bool = True


DEFAULT_STYLE = Style()
