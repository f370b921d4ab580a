"""Greedy matching of detections to objects: in the order of their scores, each takes the best object that is still
free.

All groups (the detections of a class in an image, say) take their turns together: the best of each group first, then
the second of each. So the number of steps is that of the largest group, not that of all detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mindrcnn.report.overlaps import Overlaps
from mindrcnn.report.sides import Bools, Doubles, Ints

NOBODY = -1


@dataclass(frozen=True, eq=False, kw_only=True)
class Rules:
    """The K ways in which the same pairs are matched.

    thresholds: (K,) float64, least IoU.
    ignored: (G, K) bool, objects that are taken only where no other fits.
    crowd: (G,) bool, objects that any number of detections may take.
    """

    thresholds: Doubles
    ignored: Bools
    crowd: Bools


@dataclass(frozen=True, eq=False)
class Turns:
    """M detections that overlap something, and what each took.

    found: (M,) int32, places of the detections, ascending.
    object: (M, K) int32, NOBODY without one.
    """

    found: Ints
    object: Ints


def match(pairs: Overlaps, *, group: Ints, rank: Ints, rules: Rules) -> Turns:
    """Matches; of equal overlaps the later object is taken, as pycocotools does.

    pairs: those that may match.
    group: (N,) int32, the detections that compete with one another; no object is in two groups.
    rank: (N,) int32, turn of each detection: no two of a group have the same.
    rules: thresholds, and which objects count.
    """
    members, starts = np.unique(pairs.found, return_index=True)
    ends = np.append(starts[1:], len(pairs.found))
    taken = np.zeros(rules.ignored.shape, bool)
    choices = np.full((len(members), len(rules.thresholds)), NOBODY, np.int32)
    _, iou_rank = np.unique(pairs.iou, return_inverse=True)
    iou_rank = iou_rank.astype(np.int32).reshape(-1) + 1
    preferred = np.int32(len(pairs.iou) + 2)
    for turn in _turns(group[members], rank[members]):
        places, segments, firsts = _flatten(starts[turn], ends[turn])
        objects = pairs.object[places]
        free = ~taken[objects] | rules.crowd[objects][:, None]
        fits = free & (pairs.iou[places][:, None] >= rules.thresholds)
        worth = iou_rank[places][:, None] + np.where(rules.ignored[objects], np.int32(0), preferred)
        worth = np.where(fits, worth, np.int32(0))
        best = np.maximum.reduceat(worth, firsts, axis=0)
        is_best = fits & (worth == best[segments])
        position = np.where(is_best, np.arange(len(places), dtype=np.int32)[:, None], NOBODY)
        last = np.maximum.reduceat(position, firsts, axis=0)
        chosen = np.where(last >= 0, objects[last], NOBODY)
        choices[turn] = chosen
        row, column = np.nonzero(chosen >= 0)
        taken[chosen[row, column], column] = True
    return Turns(members.astype(np.int32), choices)


def _turns(group: Ints, rank: Ints) -> list[NDArray[np.int64]]:
    """Returns the members that have the first turn in their group, the second, and so on."""
    order = np.lexsort((rank, group))
    sorted_group = group[order]
    is_first = np.diff(sorted_group, prepend=-1) != 0
    place = np.arange(len(order))
    within = place - np.maximum.accumulate(np.where(is_first, place, 0))
    turns = np.argsort(within, kind="stable")
    counts = np.bincount(within) if len(within) else np.zeros(0, np.int64)
    return [order[part] for part in np.split(turns, np.cumsum(counts)[:-1])] if len(order) else []


def _flatten(
    starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the places in the ranges one after another, the range of each place, and where each range starts."""
    counts = ends - starts
    firsts = np.cumsum(counts) - counts
    segments = np.repeat(np.arange(len(counts)), counts)
    return np.arange(counts.sum()) - firsts[segments] + starts[segments], segments, firsts
