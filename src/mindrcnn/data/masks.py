"""Object masks as stored in the annotation file: polygons or a run-length encoded bitmap.

Both offer `rasterise` (the mask in the frame of a box, as training uses it) and `extent` (the box around what a crop
leaves visible). Pixel i of a bitmap covers [i, i + 1) in continuous coordinates, as everywhere in this package.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mindrcnn.data.transforms.affine import AxisAffine, Doubles
from mindrcnn.messages import quote_value
from mindrcnn.untrusted.numbers import is_whole, whole_column

Bitmap = npt.NDArray[np.uint8]

MIN_POLYGON_NUMBERS = 6  # three corners; fewer enclose no area, and pycocotools takes four numbers for a box

# A polygon that extends more than this many box sides beyond its box is clipped before rasterising, because the
# rasteriser walks along every edge: its time and memory grow with the invisible part.
OVERHANG = 4.0

# The rasteriser takes 80 bytes for a pixel of an outline's length: this length takes 400 MB, and is that of a polygon
# of COCO's largest size a thousand times.
MAX_OUTLINE = 5_000_000

# A window's corner is covered by a polygon that covers the point this share of the way towards the window's centre.
_INWARDS = 1e-7

MAX_SIDE = 1_000_000  # of an image; no format that is read here holds more pixels in a row that fit into memory
MAX_PIXELS = 2**32 - 1  # of an image; pycocotools counts pixels with uint32
MAX_COUNTS = 5_000_000  # characters of compressed run lengths; decoding takes seventy bytes for each


@dataclass(frozen=True, eq=False)
class Polygons:
    """The union of closed polygons.

    parts: one flat float32 array x, y, x, y, ... per polygon, in the file's pixels.
    """

    parts: tuple[array[float], ...]

    def rasterise(self, affine: AxisAffine, box: npt.ArrayLike, side: int) -> Bitmap:
        """Returns (side, side) uint8 0/1: which bin centres of `box` lie inside the object.

        affine: the map from the file's pixels to the image that the xyxy `box` (4,) refers to.
        """
        return self.draw(affine, box, side, side)

    def draw(self, affine: AxisAffine, box: npt.ArrayLike, rows: int, columns: int) -> Bitmap:
        """Returns (rows, columns) uint8 0/1: which centres of a grid over `box` lie inside the object."""
        x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
        factor_x, factor_y = columns / (x2 - x1), rows / (y2 - y1)
        scale = np.array([affine.scale_x * factor_x, affine.scale_y * factor_y])
        shift = np.array([(affine.shift_x - x1) * factor_x, (affine.shift_y - y1) * factor_y])
        size = np.array([columns, rows])
        window = np.concatenate([-OVERHANG * size, (1 + OVERHANG) * size])
        outlines = [clip_outline(_points(part) * scale + shift, window) for part in self.parts]
        return draw_outlines(outlines, rows, columns)

    def extent(self, window: Doubles) -> Doubles | None:
        """Returns the tight xyxy box of what is inside `window` (both in the file's pixels), or None for nothing."""
        found = [corners for part in self.parts if len(corners := _corners_within(_points(part), window))]
        if not found:
            return None
        corners = np.concatenate(found)
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


@dataclass(frozen=True, eq=False)
class RunLengths:
    """A bitmap as COCO's run lengths: zeros, ones, zeros, ... column by column; `runs` sums to height x width."""

    height: int
    width: int
    runs: npt.NDArray[np.uint32]

    def bitmap(self) -> Bitmap:
        """Returns (height, width) uint8 0/1 in the file's pixels."""
        values = np.arange(len(self.runs), dtype=np.uint8) & 1
        return np.repeat(values, self.runs).reshape(self.width, self.height).T

    def rasterise(self, affine: AxisAffine, box: npt.ArrayLike, side: int) -> Bitmap:
        """Reads the pixels in which the bin centres of `box` lie; see Polygons.rasterise."""
        return self.draw(affine, box, side, side)

    def draw(self, affine: AxisAffine, box: npt.ArrayLike, rows: int, columns: int) -> Bitmap:
        """Reads the pixels in which the centres of a grid over `box` lie; see Polygons.draw."""
        bitmap = self.bitmap()
        x1, y1, x2, y2 = affine.to_file(np.asarray(box, dtype=np.float64))
        x = np.floor(x1 + bin_centres(columns) * (x2 - x1)).astype(np.int64).clip(0, self.width - 1)
        y = np.floor(y1 + bin_centres(rows) * (y2 - y1)).astype(np.int64).clip(0, self.height - 1)
        return bitmap[np.ix_(y, x if affine.scale_x > 0 else x[::-1])]

    def extent(self, window: Doubles) -> Doubles | None:
        """Returns the same box as Polygons.extent, of whole pixels."""
        x1, y1, x2, y2 = window
        left, top = max(int(np.floor(x1)), 0), max(int(np.floor(y1)), 0)
        part = self.bitmap()[top : max(int(np.ceil(y2)), 0), left : max(int(np.ceil(x2)), 0)]
        columns, rows = np.flatnonzero(part.any(axis=0)), np.flatnonzero(part.any(axis=1))
        if not len(columns):
            return None
        box = np.array([left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1], np.float64)
        return np.concatenate([np.maximum(box[:2], window[:2]), np.minimum(box[2:], window[2:])])


Segmentation = Union[Polygons, RunLengths]  # noqa: UP007 (evaluated at run time; every Python accepts this form)


def shape_of(mask: Segmentation | None) -> Segmentation | None:
    """Returns the mask; None for polygons of which too few corners left none, so that only the box is known."""
    return None if isinstance(mask, Polygons) and not mask.parts else mask


def mask_size(stored: object) -> tuple[int, int]:
    """Returns the height and width of stored run lengths. Raises ValueError for what cannot be an image's."""
    if isinstance(stored, list | tuple) and len(stored) == 2 and all(is_whole(side, 1, MAX_SIDE) for side in stored):
        height, width = stored
        if height * width <= MAX_PIXELS:
            return height, width
    raise ValueError(f"wanted an RLE size of height and width in whole pixels, got {quote_value(stored)}")


def run_lengths(height: int, width: int, counts: object) -> RunLengths:
    """Builds RunLengths from COCO's counts, compressed (text) or plain (numbers). Raises ValueError if invalid."""
    runs: npt.NDArray[Any] | None
    if isinstance(counts, str | bytes):
        runs = _decompress(counts)
    elif isinstance(counts, np.ndarray):
        runs = counts if counts.ndim == 1 and counts.dtype.kind in "iu" else None
    else:
        runs = whole_column(counts) if isinstance(counts, list | tuple) else None
    if runs is None or runs.size == 0 or runs.min() < 0:
        raise ValueError("wanted counts that are whole numbers of at least 0")
    pixels = height * width
    if runs.max() > pixels or runs.sum() != pixels:
        got = runs.sum() if runs.max() <= pixels else f"one of {runs.max()}"
        raise ValueError(f"wanted counts that sum to {height} x {width} = {pixels}, got {got}")
    return RunLengths(height, width, runs.astype(np.uint32))


def draw_outlines(outlines: Sequence[Doubles], rows: int, columns: int) -> Bitmap:
    """Returns (rows, columns) uint8 0/1: the union of polygons, corners (n, 2) each, of few corners or of many."""
    drawn = [outline.reshape(-1) for outline in outlines if len(outline) >= MIN_POLYGON_NUMBERS // 2]
    if not drawn:
        return np.zeros((rows, columns), dtype=np.uint8)
    if not any(is_overlong(outline, _longest_edge(rows, columns)) for outline in outlines):
        united = coco_mask.merge(coco_mask.frPyObjects(drawn, rows, columns))
        return np.asarray(coco_mask.decode(united), dtype=np.uint8)
    return np.maximum.reduce([_draw_fan(outline, rows, columns) for outline in outlines])


def _longest_edge(rows: int, columns: int) -> float:
    return (1 + 2 * OVERHANG) * max(rows, columns)


def _draw_fan(outline: Doubles, rows: int, columns: int) -> Bitmap:
    """Draws one polygon in parts that share its first corner: where two parts overlap they cancel, as edges do."""
    bitmap = np.zeros((rows, columns), dtype=np.uint8)
    corners = max(int(MAX_OUTLINE / _longest_edge(rows, columns)) - 2, 1)
    for first in range(1, len(outline) - 1, corners):
        part = np.concatenate([outline[:1], outline[first : first + corners + 1]])
        (piece,) = coco_mask.frPyObjects([part.reshape(-1)], rows, columns)
        bitmap ^= np.asarray(coco_mask.decode(piece), dtype=np.uint8)
    return bitmap


def encode_outlines(outlines: Sequence[Doubles], height: int, width: int) -> dict[str, Any] | None:
    """Returns the COCO RLE of a union of polygons, corners (n, 2) each in pixels; None if none has three corners.

    Far corners are clipped as in training. Raises ValueError for an outline beyond all measure.
    """
    margin = OVERHANG * max(height, width)
    window = np.array([-margin, -margin, width + margin, height + margin])
    drawn = [clip_outline(outline, window) for outline in outlines if len(outline) >= MIN_POLYGON_NUMBERS // 2]
    if any(is_overlong(points, 2 * margin + max(height, width)) for points in drawn):
        raise ValueError(f"segmentation: wanted outlines of up to {MAX_OUTLINE} pixels, got a longer one")
    if not drawn:
        return None
    visible = [points.reshape(-1) for points in drawn if len(points)] or [np.full(MIN_POLYGON_NUMBERS, -margin)]
    return coco_mask.merge(coco_mask.frPyObjects(visible, height, width))


def is_overlong(points: Doubles, longest_edge: float) -> bool:
    """Says whether drawing a polygon, corners (n, 2), would take too much memory; no edge is longer than that."""
    if len(points) * longest_edge <= MAX_OUTLINE:
        return False
    return bool(np.abs(np.diff(points, axis=0)).max(axis=1).sum() > MAX_OUTLINE)


def clip_outline(points: Doubles, window: Doubles) -> Doubles:
    """Clips a polygon, corners (n, 2), to an xyxy window if any corner may be outside."""
    left, top, right, bottom = window
    if points.min() >= max(left, top) and points.max() <= min(right, bottom):
        return points
    return clip_polygon(points, window)


def clip_polygon(points: Doubles, window: Doubles) -> Doubles:
    """Clips a closed polygon, corners (n, 2), to an xyxy window by the Sutherland-Hodgman algorithm."""
    left, top, right, bottom = window
    for axis, limit, sign in ((0, left, 1.0), (0, right, -1.0), (1, top, 1.0), (1, bottom, -1.0)):
        depth = sign * (points[:, axis] - limit)
        if len(points) and depth.min() < 0:
            points = _clip_half_plane(points, depth)
    return points


def _clip_half_plane(points: Doubles, depth: Doubles) -> Doubles:
    """Keeps the side where `depth` (n,) is not negative, adding corners where an edge crosses zero."""
    following, depth_after = np.roll(points, -1, axis=0), np.roll(depth, -1)
    inside = depth >= 0
    crossing = inside != (depth_after >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (depth / (depth - depth_after))[:, None]
    crossed = points + np.where(crossing[:, None], share, 0.0) * (following - points)
    candidates = np.stack([points, crossed], axis=1).reshape(-1, 2)
    return candidates[np.stack([inside, crossing], axis=1).reshape(-1)]


def _corners_within(points: Doubles, window: Doubles) -> Doubles:
    """Returns points (n, 2) whose tight box is that of a closed polygon, corners (m, 2), inside an xyxy window.

    They are the ends of its edges' pieces that run through the window, and the window's own corners that the polygon
    covers; edges along the window's border do not count, since the polygon may lie on their outer side.
    """
    low, high = window[:2], window[2:]
    ends = np.roll(points, -1, axis=0)
    along = ends - points
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.stack([(low - points) / along, (high - points) / along])
    still = along == 0  # parallel to an axis: inside the window's range all along, or nowhere
    beside = still & ((points <= low) | (points >= high))
    enter = np.where(still, 0.0, shares.min(axis=0)).max(axis=1).clip(0.0, 1.0)
    leave = np.where(still, 1.0, shares.max(axis=0)).min(axis=1).clip(0.0, 1.0)
    crosses = (enter < leave) & ~beside.any(axis=1)
    pieces = [points[crosses] + share[crosses, None] * along[crosses] for share in (enter, leave)]
    centre = (low + high) / 2
    corners = np.array([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])])
    inwards = corners + (centre - corners) * _INWARDS
    covered = [corner for corner, inner in zip(corners, inwards, strict=True) if _covers(points, ends, inner)]
    return np.concatenate([*pieces, np.array(covered).reshape(-1, 2)]).clip(low, high)


def _covers(starts: Doubles, ends: Doubles, point: Doubles) -> bool:
    """Says whether a polygon, edges from `starts` to `ends` (n, 2), covers a point (2,), by the even-odd rule."""
    (x, y), (x1, y1), (x2, y2) = point, starts.T, ends.T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) / (y2 - y1) * (x2 - x1))
    return bool(np.count_nonzero(crossed) % 2)


def bin_centres(count: int) -> Doubles:
    """Returns the centres (count,) of equal bins of 0..1."""
    return (np.arange(count) + 0.5) / count


def _points(part: array[float]) -> Doubles:
    return np.frombuffer(part, dtype=np.float32).astype(np.float64).reshape(-1, 2)


def _decompress(counts: str | bytes) -> npt.NDArray[np.int64]:
    """Decodes COCO's text form of run lengths (rleFrString in maskApi.c), with the checks that pycocotools lacks.

    Each character, counted from '0', holds six bits: five of the value, least significant first, and one that says
    whether more follow; 0x10 in the last character is the sign. From the fourth number on, each is the difference from
    the number two before it.
    """
    text = counts.encode("ascii", errors="replace") if isinstance(counts, str) else counts
    if len(text) > MAX_COUNTS:
        raise ValueError(f"wanted compressed counts of up to {MAX_COUNTS} characters, got {len(text)}")
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 0x20:
        raise ValueError("wanted COCO's compressed counts, got other text")
    last = np.flatnonzero((codes & 0x20) == 0)
    starts = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(starts, last - starts + 1)
    if place.max() > 6:  # 35 bits, more than the pixels of any image
        raise ValueError("wanted COCO's compressed counts, got a number with too many digits")
    numbers = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    numbers -= np.where(codes[last] & 0x10, 1 << (5 * (last - starts + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
