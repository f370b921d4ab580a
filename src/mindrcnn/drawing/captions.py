"""Name captions: text on a filled ground, kept inside the picture and off each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mindrcnn.drawing.fonts import BUNDLED, font_file, load_font
from mindrcnn.drawing.palette import Colour, text_colour

Box = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels, right and bottom outside


@dataclass(frozen=True)
class Caption:
    """A label to draw: text at a box, on a ground of `colour`."""

    text: str
    anchor: Box
    colour: Colour


def draw_captions(image: NDArray[np.uint8], captions: list[Caption], font_size: int) -> NDArray[np.uint8]:
    """RGB (H, W, 3) with the captions drawn; the first in the list gets the best place."""
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    taken: list[Box] = []
    height, width = image.shape[:2]
    margin = max(1, font_size // 6)
    for caption in captions:
        font = load_font(font_file(caption.text) or BUNDLED, font_size)
        text = _fitted(caption.text, font, width - 2 * margin)
        ascent, descent = font.getmetrics()
        size = (min(round(font.getlength(text)) + 2 * margin, width), min(ascent + descent, height))
        place = best_place(caption.anchor, size, (height, width), taken)
        taken.append(place)
        left, top, right, bottom = place
        pen.rectangle((left, top, right - 1, bottom - 1), fill=caption.colour)
        pen.text((left + margin, top), text, font=font, fill=text_colour(caption.colour))
    return np.asarray(picture)


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut at the end until it is no wider than `width` pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


def best_place(anchor: Box, size: tuple[int, int], image_size: tuple[int, int], taken: list[Box]) -> Box:
    """Where a caption of `size` (w, h) covers the least of earlier ones: above its box, inside at the top, below, ...

    Always inside the picture (image_size is (h, w)).
    """
    left, top, right, bottom = anchor
    width, height = size
    candidates = [
        (left, top - height),
        (left, top),
        (left, bottom),
        (left, bottom - height),
        (right - width, top - height),
        (right - width, top),
        (right - width, bottom),
        (left, (top + bottom - height) // 2),
    ]
    places = [_inside(corner, size, image_size) for corner in candidates]
    costs = [sum(_overlap(place, other) for other in taken) for place in places]
    # A place that had to be moved into the picture lies over its own object: only taken when nothing better is free.
    moved = [place[:2] != corner for place, corner in zip(places, candidates, strict=True)]
    return places[min(range(len(places)), key=lambda index: (costs[index], moved[index], index))]


def _inside(corner: tuple[int, int], size: tuple[int, int], image_size: tuple[int, int]) -> Box:
    height, width = image_size
    left = min(max(corner[0], 0), max(width - size[0], 0))
    top = min(max(corner[1], 0), max(height - size[1], 0))
    return left, top, left + size[0], top + size[1]


def _overlap(first: Box, second: Box) -> int:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return max(across, 0) * max(down, 0)
