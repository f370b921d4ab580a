"""Images that are almost the same, and objects that are annotated twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.survey import Survey

HASH_SIDE = 8
FINE = 16  # pixels of a cell's side, from which an image is halved first
MOST_DIFFERENT = 8  # of 128 bits between images that are almost the same
LEAST_CONTRAST = 4.0  # standard deviation of grey; a hash of less is noise
ROWS = 1024  # hashes that are compared at once

MOST_NEIGHBOURS = 200  # that begin at nearly the same place
TWICE = 0.9  # IoU from which two boxes of a class are one object

Hash = npt.NDArray[np.uint8]  # (16,) 128 bits
NO_HASH: Hash = np.zeros(0, dtype=np.uint8)


def hash_image(image: RGBImage) -> Hash:
    """Returns whether each cell of a coarse grid is brighter than its right and its lower neighbour, as 128 bits.

    Empty for an image without contrast.
    """
    side = HASH_SIDE + 1
    while min(image.shape[:2]) >= FINE * side:  # much cheaper than the means of large cells
        height, width = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    if small.std() < LEAST_CONTRAST:
        return NO_HASH
    right, lower = small[:-1, 1:] > small[:-1, :-1], small[1:, :-1] > small[:-1, :-1]
    return np.packbits(np.concatenate([right.reshape(-1), lower.reshape(-1)]))


def near_duplicates(first: Sequence[Hash], second: Sequence[Hash]) -> Iterator[tuple[int, int]]:
    """Yields for each image of `second` that is almost the same as one of `first` the indices (first, second)."""
    known = [place for place, one in enumerate(first) if len(one)]
    if not known:
        return
    table = np.stack([first[place] for place in known])
    bits = np.array([value.bit_count() for value in range(256)], dtype=np.uint8)
    for place, one in enumerate(second):
        if not len(one):
            continue
        best, at = MOST_DIFFERENT + 1, -1
        for start in range(0, len(table), ROWS):
            distances = bits[table[start : start + ROWS] ^ one].sum(axis=1)
            nearest = int(distances.argmin())
            if distances[nearest] < best:
                best, at = int(distances[nearest]), start + nearest
        if at >= 0:
            yield known[at], place


def annotated_twice(survey: Survey) -> Iterator[tuple[int, int]]:
    """Yields the indices of two objects of one class and image whose boxes are almost the same."""
    places = np.flatnonzero(~survey.crowd)
    boxes, labels, image = survey.boxes[places].astype(np.float64), survey.labels[places], survey.image[places]
    left, width = boxes[:, 0], boxes[:, 2] - boxes[:, 0]
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    order = np.lexsort((left, image))
    # Neighbours in the order of their left sides, so that no table of all pairs is needed: where the next box is not
    # near, those after it are not either.
    near = np.arange(len(order))
    found = []
    for step in range(1, MOST_NEIGHBOURS):
        near = near[near < len(order) - step]
        first, second = order[near], order[near + step]
        kept = (image[first] == image[second]) & (left[second] - left[first] <= width[first] * (1 - TWICE))
        near, first, second = near[kept], first[kept], second[kept]
        if not len(near):
            break
        sides = np.minimum(boxes[first, 2:], boxes[second, 2:]) - np.maximum(boxes[first, :2], boxes[second, :2])
        shared = sides.clip(min=0).prod(axis=1)
        same = (labels[first] == labels[second]) & (shared >= TWICE * (areas[first] + areas[second] - shared))
        found.append(np.stack([first[same], second[same]], axis=1))
    pairs = np.concatenate([np.zeros((0, 2), dtype=np.int64), *found])
    pairs = pairs[np.argsort(image[pairs[:, 0]], kind="stable")]
    yield from map(tuple, places[pairs].tolist())
