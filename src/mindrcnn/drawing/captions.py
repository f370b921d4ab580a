"""Captions: text on a filled background, kept inside the picture and apart from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mindrcnn.data.image_io import RGBImage
from mindrcnn.drawing.fonts import bundled_font, font_file, load_font
from mindrcnn.drawing.palette import Colour, text_colour

Box = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels; right and bottom are exclusive
Boxes = NDArray[np.float64]  # (N, 4) xyxy

NO_BOXES: Boxes = np.zeros((0, 4))
HIDDEN = 0.25  # share of an object's box that a caption may cover; more hides what the picture is looked at for


@dataclass(frozen=True)
class Caption:
    """Text to draw at the box `anchor`, on a background of `colour`."""

    text: str
    anchor: Box
    colour: Colour


def draw_captions(image: RGBImage, captions: list[Caption], font_size: int, *, objects: Boxes = NO_BOXES) -> RGBImage:
    """Draws the captions on a copy of an RGB image (H, W, 3); the first in the list gets the best place.

    A caption that would hide one of the boxes `objects` (N, 4) xyxy wherever it stands is left out.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    taken: list[Box] = []
    height, width = image.shape[:2]
    margin = max(1, font_size // 6)
    for caption in captions:
        font = load_font(font_file(caption.text) or bundled_font(), font_size)
        text = _cut_to_width(caption.text, font, width - 2 * margin)
        ascent, descent = font.getmetrics()
        size = (min(round(font.getlength(text)) + 2 * margin, width), min(ascent + descent, height))
        place = best_place(caption.anchor, size, (height, width), taken, objects)
        if place is None:
            continue
        taken.append(place)
        left, top, right, bottom = place
        pen.rectangle((left, top, right - 1, bottom - 1), fill=caption.colour)
        pen.text((left + margin, top), text, font=font, fill=text_colour(caption.colour))
    return np.asarray(picture)


def _cut_to_width(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Cuts the text at the end until it is no wider than `width` pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


def best_place(
    anchor: Box,
    size: tuple[int, int],
    image_size: tuple[int, int],
    taken: list[Box],
    objects: Boxes = NO_BOXES,
) -> Box | None:
    """Finds where a caption covers least of earlier ones: above its box, inside its top, below, beside it, ...

    anchor: the box that the caption belongs to.
    size: (w, h) of the caption.
    image_size: (h, w) of the picture.
    taken: places of earlier captions.
    objects: (N, 4) xyxy boxes of which none may be hidden.

    Returns a place inside the picture; None if each hides an object.
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
        (right, top),
        (left - width, top),
        (right, bottom - height),
        (left - width, bottom - height),
    ]
    places = [_move_inside(corner, size, image_size) for corner in candidates]
    costs = [sum(_overlap(place, other) for other in taken) for place in places]
    # A place that had to be moved into the picture covers its own object, so it comes last among equals.
    moved = [(left, top) != corner for (left, top, _, _), corner in zip(places, candidates, strict=True)]
    free = np.flatnonzero(~_hides_any(np.array(places, dtype=np.float64), objects)).tolist()
    best = min(free, key=lambda index: (costs[index], moved[index], index), default=None)
    return None if best is None else places[best]


def _hides_any(places: Boxes, objects: Boxes) -> NDArray[np.bool_]:
    """Tells of each place (P, 4) whether it covers more than HIDDEN of any object's box (N, 4)."""
    low = np.maximum(places[:, None, :2], objects[None, :, :2])
    high = np.minimum(places[:, None, 2:], objects[None, :, 2:])
    covered = np.clip(high - low, 0, None).prod(axis=2)
    areas = np.maximum((objects[:, 2:] - objects[:, :2]).prod(axis=1), 1.0)
    return np.asarray((covered > HIDDEN * areas).any(axis=1))


def _move_inside(corner: tuple[int, int], size: tuple[int, int], image_size: tuple[int, int]) -> Box:
    (left, top), (width, height), (image_height, image_width) = corner, size, image_size
    left = min(max(left, 0), max(image_width - width, 0))
    top = min(max(top, 0), max(image_height - height, 0))
    return left, top, left + width, top + height


def _overlap(first: Box, second: Box) -> int:
    (left, top, right, bottom), (other_left, other_top, other_right, other_bottom) = first, second
    across = min(right, other_right) - max(left, other_left)
    down = min(bottom, other_bottom) - max(top, other_top)
    return max(across, 0) * max(down, 0)
