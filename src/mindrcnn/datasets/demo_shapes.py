"""Outlines and textures of the demonstration data set."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.masks import Bitmap
from mindrcnn.data.transforms.affine import Doubles

Colour = npt.NDArray[np.float64]  # (3,) RGB, 0..255

SUBPIXEL_BITS = 4  # corners are passed to cv2.fillPoly in sixteenths of a pixel


def _wheel(radii: npt.ArrayLike, start_degrees: float = -90.0) -> Doubles:
    """Returns corners (n, 2) at equal angles around the origin, at these radii."""
    lengths = np.asarray(radii, dtype=np.float64)
    angles = np.deg2rad(start_degrees) + np.arange(len(lengths)) * (2 * np.pi / len(lengths))
    return np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)


_CROSS = [(-0.33, -1), (0.33, -1), (0.33, -0.33), (1, -0.33), (1, 0.33), (0.33, 0.33)]
_CROSS += [(-x, -y) for x, y in _CROSS]

# Class name -> closed outlines around the origin, about 1 in radius (inner ones are holes), and the largest rotation
# either way, in degrees, that does not make the class look like another.
SHAPES: dict[str, tuple[tuple[Doubles, ...], float]] = {
    "circle": ((_wheel(np.ones(48)),), 0.0),
    "square": ((np.array([(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]),), 20.0),
    "triangle": ((_wheel(np.ones(3)) * 1.1,), 25.0),
    "star": ((_wheel(np.tile([1.1, 0.45], 5)),), 36.0),
    "ring": ((_wheel(np.ones(48)), _wheel(np.full(48, 0.52))), 0.0),
    "cross": ((np.array(_CROSS, dtype=np.float64),), 20.0),
}

HUES = 180  # OpenCV's colour circle in 8 bits
# As in nature, colour helps but does not decide: neighbouring classes share half of their hues, so only the outline
# tells them apart for certain.
HUE_SPREAD = 22.5

MAX_ASPECT = 1.2  # a shape's width over its height, or the other way round


def draw_shape(
    name: str, *, centre: npt.ArrayLike, diameter: float, canvas: tuple[int, int], rng: np.random.Generator
) -> Bitmap:
    """Draws a randomly rotated and stretched shape; returns its coverage of the canvas (h, w), uint8 0..255."""
    outlines, max_rotation = SHAPES[name]
    angle = np.deg2rad(rng.uniform(-max_rotation, max_rotation))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = MAX_ASPECT ** rng.uniform(-0.5, 0.5)
    corners = []
    for outline in outlines:
        points = (outline @ rotation.T) * (stretch, 1 / stretch) * (diameter / 2) + centre - 0.5
        corners.append(np.round(points * 2**SUBPIXEL_BITS).astype(np.int32))
    coverage = np.zeros(canvas, dtype=np.uint8)
    cv2.fillPoly(coverage, corners, (255,), lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS)
    return coverage


def muted_colour(rng: np.random.Generator) -> Colour:
    """Draws a background colour: (3,) RGB 0..255, dark to medium and nearly grey."""
    return rng.uniform(40, 120) + rng.uniform(-20, 20, size=3)


def vivid_colour(name: str, rng: np.random.Generator) -> Colour:
    """Draws an object colour: (3,) RGB 0..255, saturated and bright, with a hue of this class."""
    middle = HUES / len(SHAPES) * list(SHAPES).index(name)
    hue = (middle + rng.uniform(-HUE_SPREAD, HUE_SPREAD)) % HUES
    saturation, value = rng.uniform(130, 255), rng.uniform(190, 255)
    pixel = np.array([[[hue, saturation, value]]], dtype=np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def _stripes(x: Doubles, y: Doubles, rng: np.random.Generator) -> Doubles:
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 14)
    return (np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)) > 0).astype(np.float64)


def _dots(x: Doubles, y: Doubles, rng: np.random.Generator) -> Doubles:
    period, radius = rng.uniform(7, 14), rng.uniform(0.25, 0.38)
    across, down = (x / period) % 1 - 0.5, (y / period) % 1 - 0.5
    return (across**2 + down**2 < radius**2).astype(np.float64)


def _gradient(x: Doubles, y: Doubles, rng: np.random.Generator) -> Doubles:
    angle = rng.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    return (along - along.min()) / max(float(np.ptp(along)), 1.0)


def _clouds(x: Doubles, y: Doubles, rng: np.random.Generator) -> Doubles:
    height, width = x.shape
    coarse = rng.random((height // 12 + 2, width // 12 + 2))
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float64)


_PATTERNS: tuple[Callable[[Doubles, Doubles, np.random.Generator], Doubles], ...] = (
    _stripes,
    _dots,
    _gradient,
    _clouds,
)


def texture(
    size: tuple[int, int], rng: np.random.Generator, *, first: Colour, second: Colour, noise: float
) -> RGBImage:
    """Draws a random pattern (h, w, 3) uint8 between two colours, with noise of this standard deviation."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float64)
    pattern = _PATTERNS[rng.integers(len(_PATTERNS))](x, y, rng)[:, :, None]
    grain = rng.standard_normal((*size, 1), dtype=np.float32) * noise
    colours = pattern.astype(np.float32) * (second - first).astype(np.float32) + first.astype(np.float32)
    return np.clip(colours + grain, 0, 255).astype(np.uint8)
