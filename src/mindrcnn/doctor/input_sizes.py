"""The sizes that buckets and the short side give to images, and better ones for a data set.

Letters in shapes: n images, m objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mindrcnn.data.batching.buckets import Bucket, assign_buckets, padded_size
from mindrcnn.data.survey import Survey

Doubles = npt.NDArray[np.float64]

STRIDE = 32
TINY, SMALL = 8, 16  # pixels at the input: below the first a detector finds little, below the second less
TOO_MANY_TINY = 0.05  # share of objects
MOST_ENLARGED = 2.0  # times the image's own size; beyond, enlarging adds nothing but time
WASTEFUL = 4.0  # times the image's own size, from which less is proposed
MOST_BUCKETS = 3
LONGEST, LARGEST_AREA = 2048, 1344 * 1344
WORTHWHILE = 0.05  # gain in the share of padding that is worth a proposal


@dataclass(frozen=True, eq=False)
class InputSizes:
    """What the network gets of a split's images of known size.

    scale: (n, 2) input pixels for a pixel of each image, across and down; nan for images of unknown size.
    bucket: (n,) index of its bucket; -1 for those.
    padding: share of the input that is padding, over all images.
    limited: number of images whose short side the bucket keeps below the wanted one.
    boxes: (m, 4) the objects that are not crowds, in input pixels.
    """

    scale: Doubles
    bucket: npt.NDArray[np.int64]
    padding: float
    limited: int
    boxes: Doubles

    @property
    def sides(self) -> Doubles:
        """(m,) square root of each object's area, input pixels."""
        sides = self.boxes[:, 2:] - self.boxes[:, :2]
        return np.sqrt(sides.prod(axis=1))

    def share_below(self, side: float) -> float:
        """Returns the share of objects that are smaller than `side`."""
        return float((self.sides < side).mean()) if len(self.boxes) else 0.0


def input_sizes(survey: Survey, buckets: Sequence[Bucket], short_side: int, *, keep_ratio: bool = True) -> InputSizes:
    """Returns the sizes with which a split reaches the network.

    survey: the split.
    buckets: see `data.buckets`.
    short_side: see `data.short_side`.
    keep_ratio: see `data.keep_ratio`.
    """
    known = survey.sizes.min(axis=1) > 0 if len(survey.sizes) else np.zeros(0, dtype=bool)
    sizes = survey.sizes[known].astype(np.float64)
    bucket = np.full(len(known), -1, dtype=np.int64)
    scale = np.full((len(known), 2), np.nan)
    padding, limited = 0.0, 0
    if len(sizes):
        bucket[known] = assign_buckets(survey.sizes[known].tolist(), buckets=buckets, short_side=short_side)
        chosen = np.asarray(buckets, dtype=np.float64)[bucket[known]]
        wanted = short_side / sizes.min(axis=1)
        kept = np.minimum((chosen / sizes).min(axis=1), wanted)
        factors = np.stack([kept, kept], axis=1) if keep_ratio else chosen / sizes
        padded = np.asarray([padded_size(one) for one in buckets], dtype=np.float64)[bucket[known]]
        padding = 1 - float((sizes * factors).prod(axis=1).sum() / padded.prod(axis=1).sum())
        limited = int((kept < wanted * 0.99).sum()) if keep_ratio else 0
        scale[known] = factors[:, ::-1]
    usable = ~survey.crowd & known[survey.image]
    boxes = survey.boxes[usable].astype(np.float64) * np.tile(scale[survey.image[usable]], 2)
    return InputSizes(scale, bucket, padding, limited, boxes)


def propose_inputs(
    survey: Survey, buckets: Sequence[Bucket], short_side: int
) -> tuple[int, tuple[Bucket, ...], InputSizes] | None:
    """Returns a short side and buckets that pad or enlarge clearly less or make small objects larger, with their sizes.

    None if the present ones are about as good. No proposed bucket is larger than the largest present one, unless
    objects would be too small.
    """
    sizes = survey.known_sizes.astype(np.float64)
    now = input_sizes(survey, buckets, short_side)
    if not len(sizes) or not len(now.boxes):
        return None
    wanted = _short_side(float(np.median(sizes.min(axis=1))), now, short_side)
    largest = max(height * width for height, width in buckets) if wanted <= short_side else LARGEST_AREA
    proposed = _buckets(sizes, wanted, largest)
    then = input_sizes(survey, proposed, wanted)
    less_padding = now.padding - then.padding > WORTHWHILE
    fewer_tiny = now.share_below(TINY) - then.share_below(TINY) > TOO_MANY_TINY / 2
    as_large = then.share_below(TINY) <= now.share_below(TINY) + 0.01
    if (less_padding and as_large) or fewer_tiny or wanted < short_side:
        return wanted, proposed, then
    return None


def _short_side(native: float, now: InputSizes, short_side: int) -> int:
    """Returns a short side for images with this one of their own: larger where objects are tiny, or smaller."""
    enough = MOST_ENLARGED * native
    if now.share_below(TINY) > TOO_MANY_TINY:
        smallest = float(np.quantile(now.sides, TOO_MANY_TINY))
        enlarged = short_side * TINY / max(smallest, 0.1)
        return max(short_side, _whole_strides(min(enlarged, enough, LONGEST)))
    less = _whole_strides(enough)
    if short_side > WASTEFUL * native and now.share_below(TINY * short_side / less) <= TOO_MANY_TINY:
        return less
    return short_side


def _whole_strides(side: float) -> int:
    return math.ceil(side / STRIDE) * STRIDE


def _buckets(sizes: Doubles, short_side: int, largest: float) -> tuple[Bucket, ...]:
    """Returns up to MOST_BUCKETS buckets around the scaled images (n, 2), no larger than `largest` pixels."""
    scale = short_side / sizes.min(axis=1)
    scaled = sizes * np.minimum(scale, np.sqrt(largest / sizes.prod(axis=1)))[:, None]
    ratio = np.log(scaled[:, 0] / scaled[:, 1])
    best: tuple[float, tuple[Bucket, ...]] | None = None
    for count in range(1, MOST_BUCKETS + 1):
        edges = np.quantile(ratio, np.linspace(0, 1, count + 1)[1:-1])
        groups = np.searchsorted(edges, ratio, side="left")
        found = {_around(scaled[groups == group]) for group in np.unique(groups)}
        found = {one for one in found if one[0] * one[1] <= largest * 1.1} or found
        chosen = tuple(sorted(found))
        area = np.asarray(chosen, dtype=np.float64)[assign_buckets(sizes, buckets=chosen, short_side=short_side)]  # type: ignore[arg-type]
        padding = 1 - float((scaled.prod(axis=1) / area.prod(axis=1)).clip(max=1).mean())
        if best is None or padding < best[0] - WORTHWHILE / 2:  # each bucket compiles once
            best = padding, chosen
    return () if best is None else best[1]


def _around(scaled: Doubles) -> Bucket:
    """Returns the bucket that holds nearly all of these sizes."""
    height, width = (_whole_strides(side - 0.5) for side in np.quantile(scaled, 0.98, axis=0))
    return max(height, STRIDE), max(width, STRIDE)
