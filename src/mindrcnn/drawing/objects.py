"""Objects drawn on pictures: translucent masks with contours, boxes, names with scores.

Images are RGB (H, W, 3) uint8; boxes are xyxy in their pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.record import Record
from mindrcnn.drawing.captions import NO_BOXES, Boxes, Caption, draw_captions
from mindrcnn.drawing.fonts import legible_name
from mindrcnn.drawing.palette import CROWD, WHITE, Colour, class_colour, text_colour
from mindrcnn.drawing.style import DEFAULT_STYLE, Style
from mindrcnn.evaluation.coco.ground_truth import coco_segmentation, to_rle
from mindrcnn.evaluation.paste import Rle, decode, encode_bitmap

MASK_OPACITY = 0.45
HALO = 2  # extra thickness of the black or white line under a box, which makes it visible on any background
LONG_SIDE_PER_LINE = 320  # image pixels per pixel of line thickness
LONG_SIDE_PER_LETTER = 48  # image pixels per pixel of letter height
LETTER_PER_OBJECT = 0.3  # letter height per side of an object of median size, at most: of many small ones each has room
FONT_SIZES = (11, 64)  # smallest legible and largest useful
PAIR_SIDE = 480  # approximate long side, in pixels, to which small images are enlarged for a pair


@dataclass(frozen=True)
class DrawnObject:
    """An object to draw.

    box: xyxy.
    label: 1..K.
    score: None for ground truth.
    rle: None without a mask.
    crowd: whether it is a region of many objects.
    number: its number in the image, from 1, where each object has a colour of its own; 0 takes that of the class.
    """

    box: tuple[float, float, float, float]
    label: int
    score: float | None = None
    rle: Rle | None = None
    crowd: bool = False
    number: int = 0

    @property
    def colour(self) -> Colour:
        """Returns the object's RGB colour."""
        return CROWD if self.crowd else class_colour(self.number or self.label)

    def magnified(self, factor: int) -> DrawnObject:
        """Returns the object as a picture that is `factor` times as large has it."""
        x_low, y_low, x_high, y_high = (value * factor for value in self.box)
        bitmap = None if self.rle is None else decode(self.rle).repeat(factor, axis=0).repeat(factor, axis=1)
        return replace(self, box=(x_low, y_low, x_high, y_high), rle=None if bitmap is None else encode_bitmap(bitmap))


def true_objects(record: Record) -> list[DrawnObject]:
    """Returns the annotated objects of a record."""
    objects = []
    for box, label, crowd, segmentation in zip(
        record.boxes.tolist(), record.labels.tolist(), record.crowd, record.segmentations, strict=True
    ):
        packed = None if segmentation is None else to_rle(coco_segmentation(segmentation), record.height, record.width)
        rle = None if packed is None else Rle(size=[record.height, record.width], counts=packed["counts"].decode())
        objects.append(DrawnObject(box=tuple(box), label=label, rle=rle, crowd=bool(crowd)))
    return objects


def draw_objects(
    image: RGBImage, objects: Sequence[DrawnObject], class_names: Sequence[str], style: Style = DEFAULT_STYLE
) -> RGBImage:
    """Draws objects on a copy of `image`, small ones over large ones; class_names[label - 1] names a label."""
    picture = image.copy()
    thickness = style.line_width or max(1, round(max(image.shape[:2]) / LONG_SIDE_PER_LINE))
    if style.colour_by == "instance":
        objects = [replace(one, number=number) for number, one in enumerate(objects, start=1)]
    ordered = sorted(objects, key=_box_area, reverse=True)
    for one in ordered:
        if one.rle is not None:
            draw_mask(picture, decode(one.rle), one.colour, thickness)
    for one in ordered:
        _draw_box(picture, one, thickness)
    by_score = sorted(objects, key=lambda one: -1.0 if one.score is None else one.score, reverse=True)
    captions = [_caption(one, class_names, thickness, style) for one in by_score]
    boxes = np.array([one.box for one in objects], dtype=np.float64).reshape(-1, 4)
    return draw_captions(picture, [one for one in captions if one.text], _font_size(image, boxes), objects=boxes)


def draw_pair(
    image: RGBImage, truth: Sequence[DrawnObject], predictions: Sequence[DrawnObject], class_names: Sequence[str]
) -> RGBImage:
    """Draws ground truth on the left and predictions on the right, with headings; enlarges small images."""
    factor = max(1, round(PAIR_SIDE / max(image.shape[:2])))
    left, right = [
        with_heading(draw_objects(*_enlarge(image, objects, factor), class_names), heading)
        for heading, objects in (("ground truth", truth), ("prediction", predictions))
    ]
    height, width = left.shape[:2]
    gap = np.full((height, max(4, width // 100), 3), 255, dtype=np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _box_area(one: DrawnObject) -> float:
    x_low, y_low, x_high, y_high = one.box
    return (x_high - x_low) * (y_high - y_low)


def _font_size(image: RGBImage, boxes: Boxes = NO_BOXES) -> int:
    """Returns the letter height for a picture with objects in `boxes` (N, 4)."""
    smallest, largest = FONT_SIZES
    letters = max(image.shape[:2]) / LONG_SIDE_PER_LETTER
    if len(boxes):
        sides = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1))
        letters = min(letters, LETTER_PER_OBJECT * float(np.median(sides)))
    return min(max(round(letters), smallest), largest)


def draw_mask(picture: RGBImage, bitmap: NDArray[np.bool_], colour: Colour, thickness: int) -> None:
    """Tints the picture where the bitmap is set, and draws the bitmap's contours."""
    left, top, width, height = cv2.boundingRect(bitmap.view(np.uint8))
    part = picture[top : top + height, left : left + width]
    inside = bitmap[top : top + height, left : left + width]
    blended = part[inside] * (1 - MASK_OPACITY) + np.array(colour) * MASK_OPACITY
    part[inside] = np.round(blended).astype(np.uint8)
    contours, _ = cv2.findContours(bitmap.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(picture, contours, -1, colour, thickness, cv2.LINE_AA)


def _corners(one: DrawnObject, picture: RGBImage, thickness: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the upper left and lower right pixel of the box's outline, so that its full thickness shows."""
    height, width = picture.shape[:2]
    inset = thickness // 2
    limits = (width - 1 - inset, height - 1 - inset) * 2
    x_low, y_low, x_high, y_high = (
        min(max(round(value), inset), max(limit, inset)) for value, limit in zip(one.box, limits, strict=True)
    )
    return (x_low, y_low), (max(x_high, x_low), max(y_high, y_low))


def _draw_box(picture: RGBImage, one: DrawnObject, thickness: int) -> None:
    upper_left, lower_right = _corners(one, picture, thickness)
    cv2.rectangle(picture, upper_left, lower_right, text_colour(one.colour), thickness + HALO)
    cv2.rectangle(picture, upper_left, lower_right, one.colour, thickness)


def _caption(one: DrawnObject, class_names: Sequence[str], thickness: int, style: Style) -> Caption:
    name = legible_name(class_names[one.label - 1], one.label) + (" (crowd)" if one.crowd else "")
    score = "" if one.score is None else f"{one.score:.2f}"
    x_low, y_low, x_high, y_high = (round(value) for value in one.box)
    edge = thickness // 2
    return Caption(
        text=" ".join(text for text in (name if style.labels else "", score if style.scores else "") if text),
        anchor=(x_low - edge, y_low - edge, x_high + edge + 1, y_high + edge + 1),
        colour=one.colour,
    )


def _enlarge(image: RGBImage, objects: Sequence[DrawnObject], factor: int) -> tuple[RGBImage, list[DrawnObject]]:
    """Magnifies image and objects by an integer factor."""
    if factor == 1:
        return image, list(objects)
    larger = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    return larger, [one.magnified(factor) for one in objects]


def with_heading(picture: RGBImage, heading: str) -> RGBImage:
    """Puts a strip with a heading above the picture."""
    font_size = round(1.2 * _font_size(picture))
    strip = np.full((2 * font_size, picture.shape[1], 3), 255, dtype=np.uint8)
    caption = Caption(text=heading, anchor=(0, font_size // 3, 0, font_size // 3), colour=WHITE)
    head = draw_captions(strip, [caption], font_size)
    return np.concatenate([head, picture], axis=0)
