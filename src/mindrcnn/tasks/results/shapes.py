"""Objects as the polygons of annotation files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mindrcnn.detections import Detections
from mindrcnn.evaluation.outlines import Polygon, mask_polygons
from mindrcnn.evaluation.paste import decode


@dataclass(frozen=True)
class Outlined:
    """An object of an annotation file; without polygons it is its box alone.

    label: 1..K.
    score: its score.
    box: xyxy.
    area: pixels of its mask or, without one, of its box.
    polygons: outlines of its mask.
    """

    label: int
    score: float
    box: tuple[float, float, float, float]
    area: float
    polygons: list[Polygon]


def outlined_objects(found: Detections) -> Iterator[Outlined]:
    """Yields the objects of an image; those whose mask has no pixel are left out."""
    for index, rle in enumerate(found.rle or [None] * len(found)):
        x_low, y_low, x_high, y_high = (round(float(value), 2) for value in found.boxes[index])
        mask = None if rle is None else decode(rle)
        polygons = [] if mask is None else mask_polygons(mask)
        if mask is not None and not polygons:
            continue
        yield Outlined(
            label=int(found.labels[index]),
            score=round(float(found.scores[index]), 4),
            box=(x_low, y_low, x_high, y_high),
            area=round((x_high - x_low) * (y_high - y_low), 2) if mask is None else float(mask.sum()),
            polygons=polygons,
        )
