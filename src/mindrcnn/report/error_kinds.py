"""Kinds of error and what each costs in AP, as TIDE defines them (Bolya et al., 2020, arXiv:2008.08115).

A detection that found no object at IoU 0.5 (t_f) is, with t_b = 0.1 and in this order:

localisation    overlaps an object of its class by t_b to t_f
classification  overlaps an object of another class by t_f or more
duplicate       overlaps an object of its class, which a better detection has, by t_f or more
background      overlaps no object by more than t_b
both            overlaps an object of another class by t_b to t_f

An object is missed if no detection found it and no error of the first two kinds is about it. What a kind costs is
the AP50 that would be gained if it alone were mended: the best-scored wrong detection of an object is made right,
other wrong ones are removed, missed objects are not counted. COCO's matches are used; they differ from tidecv's only
for exactly equal IoUs and for images with more than 100 detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND
from mindrcnn.report.matches import Matches
from mindrcnn.report.matching import NOBODY
from mindrcnn.report.precision import RECALLS
from mindrcnn.report.sides import Bools, Doubles, Ints

POSITIVE_IOU, BACKGROUND_IOU = 0.5, 0.1


class Kind(IntEnum):
    """What a detection or, for MISSED, an object is."""

    CORRECT = 0
    CLASSIFICATION = 1
    LOCALISATION = 2
    BOTH = 3
    DUPLICATE = 4
    BACKGROUND = 5
    MISSED = 6
    IGNORED = 7


MAIN_KINDS = tuple(kind for kind in Kind if kind not in (Kind.CORRECT, Kind.IGNORED))


@dataclass(frozen=True, eq=False, kw_only=True)
class Errors:
    """The kind of each detection, and the objects they are about.

    kind: (N,) int8, values of `Kind`; IGNORED inside a crowd or beyond COCO's limit.
    wrong_kind: (N,) int8, the same, with what a detection inside a crowd would be: TIDE mends it all the same.
    about: (N,) int32, object that a classification or localisation error is about; NOBODY for the others.
    missed: (G,) bool.
    iou: (N,) float64, largest with an object of the class.
    """

    kind: NDArray[np.int8]
    wrong_kind: NDArray[np.int8]
    about: Ints
    missed: Bools
    iou: Doubles


@dataclass(frozen=True, eq=False)
class _Best:
    """For each detection the largest IoU with some of the objects, (N,) float64, and the first object that has it."""

    iou: Doubles
    object: Ints


def find_errors(matches: Matches) -> Errors:
    """Returns the kind of every detection and the missed objects."""
    truth, found, pairs = matches.truth, matches.found, matches.overlaps
    correct = matches.correct()
    used = np.zeros(len(truth.label), bool)
    used[matches.matched()[correct]] = True
    regular = ~truth.crowd[pairs.object]
    same = truth.label[pairs.object] == found.label[pairs.found]
    own = _best(matches, regular & same)
    other = _best(matches, regular & ~same)
    taken = _best(matches, regular & same & used[pairs.object])
    everything = np.maximum(own.iou, other.iou)
    has_objects = np.zeros(len(truth.image_ids), bool)
    has_objects[truth.image[~truth.crowd]] = True
    wrong_kind = np.select(
        [
            ~has_objects[found.image],
            (own.iou >= BACKGROUND_IOU) & (own.iou <= POSITIVE_IOU),
            other.iou >= POSITIVE_IOU,
            taken.iou >= POSITIVE_IOU,
            everything <= BACKGROUND_IOU,
        ],
        [Kind.BACKGROUND, Kind.LOCALISATION, Kind.CLASSIFICATION, Kind.DUPLICATE, Kind.BACKGROUND],
        Kind.BOTH,
    ).astype(np.int8)
    wrong_kind[correct] = Kind.CORRECT
    wrong_kind[~matches.counted] = Kind.IGNORED
    about = np.select(
        [wrong_kind == Kind.LOCALISATION, wrong_kind == Kind.CLASSIFICATION], [own.object, other.object], NOBODY
    ).astype(np.int32)
    addressed = np.zeros(len(truth.label), bool)
    addressed[about[about >= 0]] = True
    kind = np.where(matches.excused(), np.int8(Kind.IGNORED), wrong_kind)
    return Errors(kind=kind, wrong_kind=wrong_kind, about=about, missed=~used & ~addressed & ~truth.crowd, iou=own.iou)


def _best(matches: Matches, chosen: Bools) -> _Best:
    pairs = matches.overlaps.select(chosen)
    iou, first = np.zeros(len(matches.scores)), np.full(len(matches.scores), NOBODY, np.int32)
    order = np.lexsort((pairs.object, -pairs.iou, pairs.found))
    members, starts = np.unique(pairs.found[order], return_index=True)
    iou[members] = pairs.iou[order][starts]
    first[members] = pairs.object[order][starts]
    return _Best(iou, first)


def error_costs(matches: Matches, errors: Errors) -> dict[str, Any]:
    """Returns the AP50 that mending each kind of error would gain, 0..1, and how often it occurs, overall and by class.

    Classes without objects are left out of the averages, as COCO does.
    """
    truth, found = matches.truth, matches.found
    count = len(truth.classes)
    positives = np.bincount(truth.label[~truth.crowd], minlength=count)
    real = positives > 0
    entries = _Entries(matches, errors)
    base = entries.ap(positives)
    costs, per_class, counts = {}, {}, {}
    for kind in MAIN_KINDS:
        fixed, left = entries.mended(kind), positives
        if kind == Kind.MISSED:
            left = positives - np.bincount(truth.label[errors.missed], minlength=count)
        gain = fixed.ap(left) - base
        costs[kind.name.lower()] = max(float(gain[real].mean()), 0.0) if real.any() else 0.0
        per_class[kind.name.lower()] = gain
        members = truth.label[errors.missed] if kind == Kind.MISSED else found.label[errors.wrong_kind == kind]
        counts[kind.name.lower()] = np.bincount(members, minlength=count)
    used = np.bincount(truth.label[matches.matched()[matches.correct()]], minlength=count)
    special = {"false_positive": entries.without_wrong().ap(positives), "false_negative": entries.ap(used)}
    return {
        "ap50": float(base[real].mean()) if real.any() else 0.0,
        "cost": costs,
        "special": {name: float((ap - base)[real].mean()) if real.any() else 0.0 for name, ap in special.items()},
        "count": {name: int(values.sum()) for name, values in counts.items()},
        "per_class": [
            {
                "name": name,
                "ap50": float(base[label]) if real[label] else NOTHING_TO_FIND,
                "cost": {kind: max(float(values[label]), 0.0) for kind, values in per_class.items()},
                "count": {kind: int(values[label]) for kind, values in counts.items()},
            }
            for label, name in enumerate(truth.classes)
        ],
    }


class _Entries:
    """Detections with what AP is computed from: class, score, whether right, whether counted at all."""

    def __init__(self, matches: Matches, errors: Errors) -> None:
        self._matches, self._errors = matches, errors
        self.label = matches.found.label
        self.scores = matches.scores
        self.right = matches.correct()
        self.counted = ~matches.excused()

    def _changed(self, label: Ints, right: Bools, counted: Bools, scores: Doubles | None = None) -> _Entries:
        entries = _Entries(self._matches, self._errors)
        entries.label, entries.right, entries.counted = label, right, counted
        entries.scores = self.scores if scores is None else scores
        return entries

    def mended(self, kind: Kind) -> _Entries:
        """Returns the entries with one kind of error mended."""
        is_kind = self._errors.wrong_kind == kind
        label, right, counted = self.label.copy(), self.right.copy(), self.counted.copy()
        counted[is_kind] = False
        best = is_kind & self._chosen()
        counted[best], right[best] = True, True
        label[best] = self._matches.truth.label[self._errors.about[best]]
        return self._changed(label, right, counted)

    def without_wrong(self) -> _Entries:
        """Returns the entries with every wrong detection after every right one."""
        return self._changed(self.label, self.right, self.counted, np.where(self.right, 1.0, 0.0))

    def _chosen(self) -> Bools:
        """Returns (N,) bool, the best-scored error about each object that nothing found."""
        about = self._errors.about
        found = np.zeros(len(self._matches.truth.label), bool)
        found[self._matches.matched()[self._matches.correct()]] = True
        candidates = np.flatnonzero((about >= 0) & ~found[about])
        order = candidates[np.lexsort((self._matches.found.image[candidates], -self.scores[candidates]))]
        _, first = np.unique(about[order], return_index=True)
        chosen = np.zeros(len(about), bool)
        chosen[order[first]] = True
        return chosen

    def ap(self, positives: NDArray[np.int64]) -> Doubles:
        """Computes (C,) AP of each class; 0 without objects.

        positives: (C,) number of objects.
        """
        members = np.flatnonzero(self.counted)
        members = members[np.lexsort((-self.scores[members], self.label[members]))]
        edges = np.searchsorted(self.label[members], np.arange(len(positives) + 1))
        ap = np.zeros(len(positives))
        for label, (start, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
            right = np.cumsum(self.right[members[start:end]])
            if positives[label] and len(right) and right[-1]:
                precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
                places = np.searchsorted(right / positives[label], RECALLS, side="left")
                ap[label] = precision[places[places < len(right)]].sum() / len(RECALLS)
        return ap
