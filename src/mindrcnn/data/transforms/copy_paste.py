"""Simple copy-paste: objects of one image on top of another (Ghiasi et al., https://arxiv.org/abs/2012.07177).

Masks stay outlines and run lengths. What covers an object is kept with it and taken away when its mask is drawn, so
that no mask of the whole picture is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.masks import Bitmap, bin_centres
from mindrcnn.data.record import MIN_BOX_SIDE
from mindrcnn.data.transforms.affine import AxisAffine, Doubles
from mindrcnn.data.transforms.geometric import cut_objects
from mindrcnn.data.transforms.target import Shape, Target

MAX_PASTED = 99  # objects pasted at once, as in mmdetection
MIN_CELLS = 8  # a side, to find what is left of an object; larger objects are examined pixel by pixel


@dataclass(frozen=True, eq=False)
class Layer:
    """An object of a composed picture.

    shape: its mask as stored.
    affine: the map from there to the picture.
    box: (4,) xyxy in the picture; nothing of the mask outside it is seen.
    above: the objects on top of it.
    """

    shape: Shape
    affine: AxisAffine
    box: Doubles
    above: tuple[Layer, ...] = ()

    def rasterise(self, affine: AxisAffine, box: npt.ArrayLike, side: int) -> Bitmap:
        """Returns (side, side) uint8 0/1 as Polygons.rasterise does; `affine` maps from the picture."""
        return self.draw(affine, box, side, side)

    def draw(self, affine: AxisAffine, box: npt.ArrayLike, rows: int, columns: int) -> Bitmap:
        """Returns (rows, columns) uint8 0/1: which centres of a grid over `box` show the object."""
        x1, y1, x2, y2 = np.asarray(box, dtype=np.float64)
        left, top, right, bottom = affine.from_file(self.box)
        x, y = x1 + bin_centres(columns) * (x2 - x1), y1 + bin_centres(rows) * (y2 - y1)
        inside = np.outer((y >= top) & (y <= bottom), (x >= left) & (x <= right))
        mask = self.shape.draw(affine.after(self.affine), box, rows, columns) & inside.astype(np.uint8)
        for layer in self.above:
            mask[layer.draw(affine, box, rows, columns) == 1] = 0
        return mask

    def extent(self, window: Doubles) -> Doubles | None:
        """Returns the tight xyxy box of what is seen inside `window`, in cells of at most a pixel; None for nothing."""
        mask = self.seen_in(window)
        x, y = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        if not len(x):
            return None
        rows, columns = mask.shape
        edges = np.array([x[0] / columns, y[0] / rows, (x[-1] + 1) / columns, (y[-1] + 1) / rows])
        return window[[0, 1, 0, 1]] + edges * (window[2:] - window[:2])[[0, 1, 0, 1]]

    def seen_in(self, window: Doubles) -> Bitmap:
        """Returns (rows, columns) uint8 0/1: what an xyxy window of the picture shows, in cells of at most a pixel."""
        columns, rows = np.maximum(np.ceil(window[2:] - window[:2]).astype(int), MIN_CELLS).tolist()
        return self.draw(AxisAffine(), window, rows, columns)

    def touches(self, box: Doubles) -> bool:
        """Says whether the object's box shares area with an xyxy box of the picture."""
        return bool((np.maximum(self.box[:2], box[:2]) < np.minimum(self.box[2:], box[2:])).all())


def copy_paste(
    image: RGBImage, target: Target, source: RGBImage, source_target: Target, rng: np.random.Generator
) -> tuple[RGBImage, Target]:
    """Pastes a random choice of the source's objects at their places in the source; any number is equally likely.

    image: (H, W, 3) RGB uint8.
    target: its objects. What the pasted ones cover is taken from their masks, their boxes shrink to what is left, and
        those with nothing left are dropped. Crowds stay as they are.
    source: (H', W', 3); what lies beyond the image is cut off.
    source_target: its objects; crowds, and objects that are no pixel large, are never pasted.
    rng: draws the choice.
    """
    height, width = (min(sides) for sides in zip(image.shape[:2], source.shape[:2], strict=True))
    seen = cut_objects(source_target, np.array([0.0, 0, width, height]), min_side=MIN_BOX_SIDE)
    candidates = np.array([i for i, shape in enumerate(seen.segmentations) if shape is not None and not seen.crowd[i]])
    count = int(rng.integers(min(len(candidates), MAX_PASTED) + 1))
    if not count:
        return image, target
    pasted = seen.select(np.sort(rng.choice(candidates, count, replace=False)))
    layers = [_layer(pasted, index) for index in range(count)]
    image = image.copy()
    visible = [index for index, layer in enumerate(layers) if _paint(image, source, layer)]
    layers = [layers[index] for index in visible]
    pasted = replace(pasted.select(np.array(visible, dtype=np.int64)), segmentations=tuple(layers), affine=AxisAffine())
    return image, _join(_covered(target, layers), pasted)


def _layer(target: Target, index: int) -> Layer:
    shape = target.segmentations[index]
    assert shape is not None
    return Layer(shape, target.affine, target.boxes[index].astype(np.float64))


def _paint(image: RGBImage, source: RGBImage, layer: Layer) -> bool:
    """Copies the object's pixels from the source, if it has any; says whether it has."""
    left, top = np.floor(layer.box[:2]).astype(int).tolist()
    right, bottom = np.ceil(layer.box[2:]).astype(int).tolist()
    mask = layer.draw(AxisAffine(), [left, top, right, bottom], bottom - top, right - left).astype(bool)
    image[top:bottom, left:right][mask] = source[top:bottom, left:right][mask]
    return bool(mask.any())


def _covered(target: Target, above: Sequence[Layer]) -> Target:
    """Returns what is left of the objects below others, as layers of the picture."""
    boxes, shapes, left = target.boxes.astype(np.float64), list(target.segmentations), []
    for index, shape in enumerate(target.segmentations):
        if shape is not None and not target.crowd[index]:
            layer = _layer(target, index)
            shapes[index] = layer
            covering = tuple(other for other in above if other.touches(layer.box))
            below = replace(layer, above=covering)
            if covering and (below.seen_in(layer.box) != layer.seen_in(layer.box)).any():
                extent = below.extent(layer.box)
                if extent is None:
                    continue
                shapes[index], boxes[index] = below, extent
        left.append(index)
    composed = replace(target, segmentations=tuple(shapes)).move_to(boxes, AxisAffine())
    return composed.select(np.array(left, dtype=np.int64))


def _join(first: Target, second: Target) -> Target:
    return Target(
        boxes=np.concatenate([first.boxes, second.boxes]),
        labels=np.concatenate([first.labels, second.labels]),
        crowd=np.concatenate([first.crowd, second.crowd]),
        segmentations=first.segmentations + second.segmentations,
        affine=first.affine,
    )
