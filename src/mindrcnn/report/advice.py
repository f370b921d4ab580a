"""The first screen in words: how good, how sure, which class is worst and why, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mindrcnn.evaluation.coco.metrics import NOTHING_TO_FIND
from mindrcnn.report.bootstrap import FEWEST_IMAGES

NAMES = {"bbox": "Box", "segm": "Mask", "boundary": "Boundary"}
# What the errors are called, and what helps against them.
KINDS: dict[str, tuple[str, str]] = {
    "classification": (
        "found but given the wrong class",
        "See which classes are confused (Confusion), and look at their mistakes in the gallery: correct labels that "
        "contradict one another, merge classes that people cannot tell apart, and add examples of the rarer class.",
    ),
    "localisation": (
        "found but outlined too inexactly (IoU below 0.5)",
        "Look whether annotations of the class are tight and alike. If they are, train longer, or with larger images "
        "(data.short_side); for masks try a PointRend or Mask Scoring configuration.",
    ),
    "both": (
        "in the wrong place and of the wrong class",
        "These are mostly parts of objects or groups taken for an object: look at them in the gallery, and add "
        "examples of such scenes with every object annotated.",
    ),
    "duplicate": (
        "found more than once",
        "Lower model.box.nms_thresh, above which the weaker of two overlapping boxes is dropped; it needs no training.",
    ),
    "background": (
        "seen where nothing is annotated",
        "Look at the most confident ones in the gallery first: often they are objects that nobody annotated. For what "
        "is really background, add images that show it without objects (data.keep_empty_images=true), or use a higher "
        "score threshold.",
    ),
    "missed": (
        "not found at all",
        "If they are small, use larger images (data.short_side) and check with `mindrcnn doctor` that the anchors fit; "
        "otherwise the class needs more, and more varied, examples, or longer training.",
    ),
}
LARGE_CALIBRATION_ERROR = 0.1


def summarise(kind: str, document: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the sentences of the first screen.

    kind: the kind of evaluation that decides.
    document: its part of the report: tables, error_kinds, calibration, precision_recall.
    counts: the objects and images.
    """
    tables, errors = document["tables"], document["error_kinds"]
    main = max(errors["cost"], key=errors["cost"].get)
    worst = worst_class(tables["per_class"])
    summary = {
        "kind": kind,
        "headline": _headline(kind, tables["metrics"], counts),
        "main_error": _main_error(main, errors["cost"][main], errors["count"][main]),
        "worst_class": None if worst is None else _worst(kind, tables["per_class"][worst], errors["per_class"][worst]),
        "hints": [
            *_about_exactness(tables["metrics"]),
            *_about_sizes(tables["metrics"]),
            *_about_scores(document["calibration"]),
        ],
    }
    return summary


def worst_class(classes: Sequence[Mapping[str, Any]]) -> int | None:
    """Returns the place of the class with the lowest AP among those in enough images, or among all with objects."""
    known = [place for place, one in enumerate(classes) if one["AP"]["value"] > NOTHING_TO_FIND]
    enough = [place for place in known if classes[place]["images"] >= FEWEST_IMAGES]
    return min(enough or known, key=lambda place: classes[place]["AP"]["value"], default=None)


def main_kind(costs: Mapping[str, float], counts: Mapping[str, int]) -> str | None:
    """Returns the kind of error of a class that costs most, the most frequent one where none costs anything."""
    if any(costs.values()):
        return max(costs, key=lambda kind: costs[kind])
    return max(counts, key=lambda kind: counts[kind]) if any(counts.values()) else None


def _headline(kind: str, metrics: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    metric = metrics["AP"]
    rests_on = f"{plural(counts['objects'], 'object')} in {plural(counts['images'], 'image')}"
    if metric["interval"] is None:
        sure = f"There are too few images with objects to say how sure that is ({rests_on})."
    else:
        low, high = (points(limit) for limit in metric["interval"])
        sure = f"Measured on {rests_on}; on as many other images of this kind it would likely be from {low} to {high}."
    return {"name": f"{NAMES[kind]} AP", **metric, "text": sure}


def _main_error(kind: str, cost: float, count: int) -> dict[str, Any]:
    what, advice = KINDS[kind]
    if not cost:
        return {"kind": None, "text": "No kind of error costs any AP50.", "advice": ""}
    unit = "object" if kind == "missed" else "detection"
    text = f"{plural(count, unit)} {what}: without these, AP50 would be {points(cost)} points higher."
    return {"kind": kind, "text": text, "advice": advice}


def _worst(kind: str, table: Mapping[str, Any], errors: Mapping[str, Any]) -> dict[str, Any]:
    text = f"{NAMES[kind]} AP {points(table['AP']['value'])} with {plural(table['objects'], 'object')}."
    main = main_kind(errors["cost"], errors["count"])
    advice = ""
    if lacks_exactness(table):
        text += f" Its objects are found, but outlined too inexactly: {_falling(table)}."
        advice = KINDS["localisation"][1]
        main = "localisation" if errors["count"]["localisation"] else None
    elif main is not None:
        what, advice = KINDS[main]
        noun = "object" if main == "missed" else "detection"
        cost = f"; they cost {points(errors['cost'][main])} points of its AP50" if errors["cost"][main] else ""
        text += f" Its main error: {plural(errors['count'][main], noun)} {what}{cost}."
    few = (
        ""
        if table["images"] >= FEWEST_IMAGES
        else f" It is in {plural(table['images'], 'image')} only, so this may be chance."
    )
    return {"name": table["name"], "kind": main, "text": text + few, "advice": advice}


def lacks_exactness(metrics: Mapping[str, Any]) -> bool:
    """Says whether AP loses more to the IoU limits above 0.5 than to whatever is wrong at 0.5."""
    ap, ap50 = metrics["AP"]["value"], metrics["AP50"]["value"]
    return ap > NOTHING_TO_FIND and ap50 - ap > 1 - ap50


def _falling(metrics: Mapping[str, Any]) -> str:
    at_50, at_75 = (points(metrics[name]["value"]) for name in ("AP50", "AP75"))
    return f"AP {at_50} at IoU 0.50, {at_75} at IoU 0.75"


def _about_exactness(metrics: Mapping[str, Any]) -> list[str]:
    if not lacks_exactness(metrics):
        return []
    return [
        f"Most of what AP lacks is exactness ({_falling(metrics)}), which the kinds of error at IoU 0.5 do not show. "
        "If that is exact enough for you, look at AP50."
    ]


def _about_sizes(metrics: Mapping[str, Any]) -> list[str]:
    small, large = metrics["APs"]["value"], metrics["APl"]["value"]
    if min(small, large) <= NOTHING_TO_FIND or small >= large / 2:
        return []
    return [
        f"Small objects (below 32 x 32 pixels) are the hard ones: AP {points(small)}, against {points(large)} for "
        "large ones. Larger input images (data.short_side) help most."
    ]


def _about_scores(calibration: Mapping[str, Any]) -> list[str]:
    error, bins = calibration["error"], calibration["bins"]
    if error is None or error < LARGE_CALIBRATION_ERROR:
        return []
    total = sum(one["count"] for one in bins)
    surplus = sum(one["count"] * (one["said"] - one["happened"]) for one in bins) / total
    how = "higher" if surplus > 0 else "lower"
    return [
        f"Scores are on average {points(abs(surplus))} points {how} than the share of detections that are right: read "
        "them as an order, not as probabilities, and use the thresholds below."
    ]


def points(value: float) -> str:
    """Formats a share as percentage points."""
    return f"{100 * value:.1f}"


def plural(count: int, noun: str) -> str:
    """Formats a number with its noun."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
