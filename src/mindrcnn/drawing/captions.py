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
ILLEGIBLE = 0.1  # share of a caption that another one may cover
HIDDEN = 0.25  # share of an object's box that captions may cover; more hides what the picture is looked at for


@dataclass(frozen=True)
class Caption:
    """Text to draw at the box `anchor`, on a background of `colour`."""

    text: str
    anchor: Box
    colour: Colour


def draw_captions(image: RGBImage, captions: list[Caption], font_size: int, *, objects: Boxes = NO_BOXES) -> RGBImage:
    """Draws the captions on a copy of an RGB image (H, W, 3); the first in the list gets the best place.

    A caption that wherever it stands would hide one of the boxes `objects` (N, 4) xyxy, alone or together with those
    before it, or the text of an earlier one, is left out.
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    taken: list[Box] = []
    in_sight = InSight(objects)
    height, width = image.shape[:2]
    margin = max(1, font_size // 6)
    for caption in captions:
        font = load_font(font_file(caption.text) or bundled_font(), font_size)
        text = _cut_to_width(caption.text, font, width - 2 * margin)
        ascent, descent = font.getmetrics()
        size = (min(round(font.getlength(text)) + 2 * margin, width), min(ascent + descent, height))
        place = best_place(caption.anchor, size, (height, width), taken, in_sight)
        if place is None or any(_overlap(place, other) > ILLEGIBLE * _overlap(other, other) for other in taken):
            continue
        taken.append(place)
        in_sight.cover(place)
        left, top, right, bottom = place
        pen.rectangle((left, top, right - 1, bottom - 1), fill=caption.colour)
        pen.text((left + margin, top), text, font=font, fill=text_colour(caption.colour))
    return np.asarray(picture)


def _cut_to_width(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """Cuts the text at the end until it is no wider than `width` pixels."""
    while text and font.getlength(text) > width:
        text = text[:-1]
    return text


class InSight:
    """Objects of which captions, all together, may cover no more than the share HIDDEN.

    boxes: (N, 4) xyxy.
    """

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes
        self._room = HIDDEN * np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1.0)

    def cover(self, place: Box) -> None:
        """Takes note of a caption."""
        self._room -= self._covered(np.array([place], dtype=np.float64))[0]

    def is_hidden_by(self, places: Boxes) -> NDArray[np.bool_]:
        """Tells of each place (P, 4) whether a caption there would cover too much of any object."""
        covered = self._covered(places)
        return np.asarray(((covered > self._room) & (covered > 0)).any(axis=1))

    def _covered(self, places: Boxes) -> Boxes:
        """Returns how much of each object each place covers, (P, N) in pixels."""
        low = np.maximum(places[:, None, :2], self._boxes[None, :, :2])
        high = np.minimum(places[:, None, 2:], self._boxes[None, :, 2:])
        return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


NOTHING = InSight(NO_BOXES)


def best_place(
    anchor: Box,
    size: tuple[int, int],
    image_size: tuple[int, int],
    taken: list[Box],
    objects: InSight = NOTHING,
) -> Box | None:
    """Finds where a caption covers least of earlier ones: above its box, inside its top, below, beside it, ...

    anchor: the box that the caption belongs to.
    size: (w, h) of the caption.
    image_size: (h, w) of the picture.
    taken: places of earlier captions.
    objects: those of which none may be hidden.

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
    free = np.flatnonzero(~objects.is_hidden_by(np.array(places, dtype=np.float64))).tolist()
    best = min(free, key=lambda index: (costs[index], moved[index], index), default=None)
    return None if best is None else places[best]


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
