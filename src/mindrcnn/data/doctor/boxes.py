"""Boxes that reach out of their image, or have no area in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mindrcnn.data.doctor.findings import Findings, Kind
from mindrcnn.data.record import clip_boxes

OVERSHOOT = 1.0  # pixels; less comes from rounding, and from tools that count the last pixel in


def examine_boxes(
    boxes: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.int32],
    findings: Findings,
    *,
    name_of: Callable[[int], str],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Boxes (m, 4) xyxy of images of `sizes` (m, 2) -> clipped, and whether (m,) they have area; `name_of` says which
    object is at a place."""
    clipped, usable = clip_boxes(boxes, sizes)
    height, width = sizes.T
    overshoot = np.maximum(-boxes[:, :2].min(axis=1), np.maximum(boxes[:, 2] - width, boxes[:, 3] - height))
    outside = np.flatnonzero(usable & (overshoot > OVERSHOOT))
    degenerate = np.flatnonzero(~usable)

    def described(place: int) -> str:
        corners = ", ".join(f"{corner:g}" for corner in boxes[place])
        return f"{name_of(place)}: x1, y1, x2, y2 = {corners} in an image of {width[place]} x {height[place]}"

    findings.add_all(Kind.OUTSIDE, (described(int(place)) for place in outside), len(outside))
    findings.add_all(Kind.DEGENERATE, (described(int(place)) for place in degenerate), len(degenerate))
    return clipped, usable
