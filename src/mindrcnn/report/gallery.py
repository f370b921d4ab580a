"""The gallery: the images with most errors and the most confident mistakes, with truth and predictions of every run.

An image is worse the more of its objects are not found and the more of its shown detections are wrong; shown are
detections from the best-F1 score of their class on. Of a large split the gallery holds the worst images, those of
the most confident mistakes of each kind and class, and those about which runs disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mindrcnn.evaluation.coco.metrics import AREAS
from mindrcnn.report.confusion import found_objects, shown_detections
from mindrcnn.report.error_kinds import Errors, Kind
from mindrcnn.report.matches import SIZE_LIMITS, Matches
from mindrcnn.report.matching import NOBODY
from mindrcnn.report.outlines import outline
from mindrcnn.report.sides import Bools, Doubles, Ints

MOST_IMAGES = 500
WORST_SHARE = 0.4  # of the images: the worst, chosen before any others
FAINT_SCORE = 0.05  # detections below it are never in the gallery
MOST_FAINT = 20  # detections of an image that are not shown but can be looked at
MISTAKES = (Kind.CLASSIFICATION, Kind.LOCALISATION, Kind.BOTH, Kind.DUPLICATE, Kind.BACKGROUND)
MOST_MISTAKES = 1000


@dataclass(frozen=True, eq=False)
class View:
    """A run as the gallery shows it.

    matches, errors: those of the kind that is drawn.
    kept_from: (C,) float64, the score from which on a class is shown.
    """

    matches: Matches
    errors: Errors
    kept_from: Doubles

    @cached_property
    def shown(self) -> Bools:
        """(N,) bool."""
        return shown_detections(self.matches, self.kept_from)

    @cached_property
    def found_by(self) -> Ints:
        """(G,) int32, the shown detection that found each object; NOBODY without one."""
        return found_objects(self.matches, self.shown)

    @cached_property
    def missing(self) -> Bools:
        """(G,) bool, objects that no shown detection found."""
        return (self.found_by == NOBODY) & ~self.matches.truth.crowd

    @cached_property
    def mistakes(self) -> Ints:
        """Wrong detections, the most confident first."""
        wrong = np.flatnonzero(np.isin(self.errors.kind, MISTAKES) & (self.matches.scores >= FAINT_SCORE))
        return wrong[np.argsort(-self.matches.scores[wrong], kind="stable")].astype(np.int32)

    @cached_property
    def badness(self) -> Ints:
        """(I,) int32, missed objects and shown mistakes of each image."""
        truth, found = self.matches.truth, self.matches.found
        wrong = self.shown & np.isin(self.errors.kind, MISTAKES)
        images = np.concatenate([truth.image[self.missing], found.image[wrong]])
        return np.bincount(images, minlength=len(truth.image_ids)).astype(np.int32)


def choose_images(views: Sequence[View], limit: int = MOST_IMAGES) -> list[int]:
    """Returns the images of the gallery, the worst of the first run first."""
    first = views[0]
    image_count = len(first.matches.truth.image_ids)
    by_badness = np.argsort(-first.badness, kind="stable")
    if image_count <= limit:
        return by_badness.tolist()
    chosen = dict.fromkeys(by_badness[: round(WORST_SHARE * limit)].tolist())
    for image in _further(views):
        if len(chosen) >= limit:
            break
        chosen[image] = None
    place = np.empty(image_count, np.int64)
    place[by_badness] = np.arange(image_count)
    return sorted(chosen, key=lambda image: place[image])


def _further(views: Sequence[View]) -> Iterable[int]:
    """Yields images worth a look, in turn: of each kind of mistake, of each class, of each disagreement."""
    first = views[0]
    matches, mistakes = first.matches, first.mistakes
    image, label, kind = matches.found.image[mistakes], matches.found.label[mistakes], first.errors.kind[mistakes]
    lists = [image[kind == one] for one in MISTAKES]
    lists += [image[label == one] for one in range(len(matches.truth.classes))]
    lists += [
        matches.truth.image[first.missing & (matches.truth.label == one)] for one in range(len(matches.truth.classes))
    ]
    for other in views[1:]:
        differing = np.bincount(matches.truth.image[first.missing != other.missing], minlength=len(first.badness))
        lists.append(np.argsort(-differing, kind="stable")[: int((differing > 0).sum())])
    for turn in range(max(map(len, lists))):
        for one in lists:
            if turn < len(one):
                yield int(one[turn])


def make_gallery(views: Sequence[View], images: Sequence[int]) -> dict[str, Any]:
    """Returns what the page shows of the images, without their pixels.

    Each image has its objects (c class, b box, z size, o outline, f whether each run found it, w crowd) and, of each
    run, detections (c, b, z, o, s score, k kind of error, v whether shown).

    views: the runs, the first of which decides what is worst.
    images: those to show.
    """
    first = views[0]
    truth = first.matches.truth
    places = {image: place for place, image in enumerate(images)}
    of_image = _members(truth.image, images)
    of_runs = [_members(view.matches.found.image, images) for view in views]
    entries, numbers = [], [dict[int, int]() for _ in views]
    for place, image in enumerate(images):
        runs = []
        for view, members, number in zip(views, of_runs, numbers, strict=True):
            kept = _kept(view, members[place])
            number.update({one: index for index, one in enumerate(kept)})
            runs.append([_detection(view, one) for one in kept])
        height, width = truth.sizes[image].tolist()
        entries.append(
            {
                "id": int(truth.image_ids[image]),
                "file": truth.files[image],
                "width": width,
                "height": height,
                "errors": [int(view.badness[image]) for view in views],
                "objects": [_object(views, one) for one in of_image[place]],
                "runs": runs,
            }
        )
    inside = [one for one in first.mistakes.tolist() if one in numbers[0]][:MOST_MISTAKES]
    return {
        "images": entries,
        "of": len(truth.image_ids),
        "mistakes": [[places[int(first.matches.found.image[one])], numbers[0][one]] for one in inside],
    }


def _members(image: Ints, images: Sequence[int]) -> list[list[int]]:
    """Returns for each of `images` the places at which `image` names it."""
    order = np.argsort(image, kind="stable")
    low, high = (np.searchsorted(image[order], images, side=side) for side in ("left", "right"))
    return [order[start:end].tolist() for start, end in zip(low.tolist(), high.tolist(), strict=True)]


def _kept(view: View, members: Sequence[int]) -> list[int]:
    """Returns the detections of an image that the gallery holds, best first."""
    ordered = sorted(members, key=lambda one: -view.matches.scores[one])
    shown = [one for one in ordered if view.shown[one]]
    faint = [
        one
        for one in ordered
        if not view.shown[one] and view.matches.scores[one] >= FAINT_SCORE and view.errors.kind[one] != Kind.IGNORED
    ]
    return shown + faint[:MOST_FAINT]


def _detection(view: View, one: int) -> dict[str, Any]:
    found = view.matches.found
    document = {
        "c": int(found.label[one]),
        "b": found.boxes[one].round(1).tolist(),
        "z": _size(float(found.boxes[one, 2] * found.boxes[one, 3])),
        "s": round(float(view.matches.scores[one]), 3),
        "k": int(view.errors.kind[one]),
        "v": int(view.shown[one]),
    }
    if view.shown[one] and found.masks is not None and view.matches.kind != "bbox":
        document["o"] = outline(found.masks[one])
    return document


def _object(views: Sequence[View], one: int) -> dict[str, Any]:
    truth = views[0].matches.truth
    document = {
        "c": int(truth.label[one]),
        "b": truth.boxes[one].round(1).tolist(),
        "z": _size(float(truth.areas[one])),
        "f": [int(view.found_by[one] != NOBODY) for view in views],
        "w": int(truth.crowd[one]),
    }
    if truth.masks is not None and views[0].matches.kind != "bbox":
        document["o"] = outline(truth.masks[one])
    return document


def _size(area: float) -> int:
    """Returns the number of the size range in AREAS, from 1."""
    return next(place for place in range(1, len(AREAS)) if area <= SIZE_LIMITS[place][1] or place == len(AREAS) - 1)
