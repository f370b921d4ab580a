"""A scene of the demonstration data set: a textured background with shapes on it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.masks import Bitmap
from mindrcnn.datasets.demo_shapes import SHAPES, Colour, draw_shape, muted_colour, texture, vivid_colour

SIDE_SPREAD = 1 / 6  # share by which image sides vary either way
EMPTY_SHARE = 0.06  # images without objects
CROWD_SHARE = 0.08  # images with a crowd region
OBJECT_TRIES = (2, 7)  # least and most attempts to place an object
DIAMETERS = (28.0, 110.0)  # pixels, in an image of REFERENCE_SIZE
REFERENCE_SIZE = 192.0
MIN_VISIBLE = 0.4  # share of an object's area that must stay inside the image and unhidden
MIN_PIXELS = 60  # visible pixels of an object; fewer cannot be recognised
SHADE = (0.55, 0.85)  # brightness of the second colour of an object's texture relative to the first
CROWD_DIAMETER = (7.0, 11.0)
CROWD_MEMBERS = (14, 24)


@dataclass(frozen=True, eq=False)
class SceneObject:
    """A shape in a scene.

    visible: (h, w) bool, the pixels that show it.
    area: pixels of the whole shape, hidden ones included.
    """

    name: str
    visible: npt.NDArray[np.bool_]
    area: float
    crowd: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """An RGB image (h, w, 3) uint8 and its objects from back to front."""

    image: RGBImage
    objects: tuple[SceneObject, ...]


def draw_scene(rng: np.random.Generator, *, size: int) -> Scene:
    """Draws a random scene with sides of about `size` pixels."""
    low, high = round(size * (1 - SIDE_SPREAD)), round(size * (1 + SIDE_SPREAD))
    height, width = (int(side) for side in rng.integers(low, high + 1, size=2))
    base = muted_colour(rng)
    image = texture((height, width), rng, first=base, second=_vary(base, rng), noise=6.0)
    if rng.random() < EMPTY_SHARE:
        return Scene(image, ())
    objects: list[SceneObject] = []
    if rng.random() < CROWD_SHARE:
        objects.append(_draw_crowd(image, rng))
    for _ in range(rng.integers(*OBJECT_TRIES, endpoint=True)):
        objects = _add_object(image, objects, size / REFERENCE_SIZE, rng)
    return Scene(image, tuple(objects))


def _add_object(
    image: RGBImage, objects: list[SceneObject], scale: float, rng: np.random.Generator
) -> list[SceneObject]:
    """Paints another shape over the others, unless it would be too far outside or hide another too much."""
    height, width = image.shape[:2]
    name = str(rng.choice(list(SHAPES)))
    diameter = scale * float(np.exp(rng.uniform(*np.log(DIAMETERS))))
    # the centre may be as close to the border as a third of the radius, so the image cuts some shapes
    inset = diameter / 6
    centre = rng.uniform((inset, inset), (width - inset, height - inset))
    margin = int(np.ceil(diameter))
    whole = draw_shape(
        name, centre=centre + margin, diameter=diameter, canvas=(height + 2 * margin, width + 2 * margin), rng=rng
    )
    coverage = whole[margin : margin + height, margin : margin + width]
    visible, area = coverage >= 128, float((whole >= 128).sum())
    hidden = [_hide(item, visible) for item in objects]
    new = SceneObject(name, visible, area, crowd=False)
    if not all(_is_recognisable(item) for item in [*hidden, new]):
        return objects
    _paint(image, coverage, name, rng)
    return [*hidden, new]


def _draw_crowd(image: RGBImage, rng: np.random.Generator) -> SceneObject:
    """Paints a cluster of tiny shapes of one class that nobody would outline one by one."""
    height, width = canvas = (image.shape[0], image.shape[1])
    name = str(rng.choice(list(SHAPES)))
    middle = rng.uniform((width * 0.25, height * 0.25), (width * 0.75, height * 0.75))
    coverage = np.zeros(canvas, dtype=np.uint8)
    for _ in range(rng.integers(*CROWD_MEMBERS)):
        centre = middle + rng.normal(scale=0.09 * min(canvas), size=2)
        tiny = draw_shape(name, centre=centre, diameter=rng.uniform(*CROWD_DIAMETER), canvas=canvas, rng=rng)
        coverage = np.maximum(coverage, tiny)
    _paint(image, coverage, name, rng)
    visible = coverage >= 128
    return SceneObject(name, visible, float(visible.sum()), crowd=True)


def _vary(colour: Colour, rng: np.random.Generator) -> Colour:
    return np.clip(colour + rng.uniform(-30, 30, size=3), 0, 255)


def _hide(item: SceneObject, cover: npt.NDArray[np.bool_]) -> SceneObject:
    return SceneObject(item.name, item.visible & ~cover, item.area, item.crowd)


def _is_recognisable(item: SceneObject) -> bool:
    pixels = int(item.visible.sum())
    return pixels >= MIN_PIXELS and pixels >= MIN_VISIBLE * item.area


def _paint(image: RGBImage, coverage: Bitmap, name: str, rng: np.random.Generator) -> None:
    """Fills the covered pixels with a vivid texture in the class's colours; no background is vivid."""
    left, top, width, height = cv2.boundingRect(coverage)
    part = np.s_[top : top + height, left : left + width]
    first = vivid_colour(name, rng)
    fill = texture((height, width), rng, first=first, second=first * rng.uniform(*SHADE), noise=6.0)
    alpha = coverage[part][:, :, None].astype(np.uint16)
    image[part] = (image[part] * (255 - alpha) + fill * alpha + 127) // 255
