"""Rules over the evaluations of a run."""

from __future__ import annotations

from collections import Counter

from mindrcnn.check.finding import Finding, NotCheckedError
from mindrcnn.check.run import CONFIG, METRICS, RESULTS, ROWS, Run

WORSE = 0.95  # the last AP over the best
LATER = 2  # evaluations after the best one
NO_AP = 0.01
USUAL_SCORE = 0.1  # a score threshold above it costs AP
MANY_IMAGES = 0.1
OBJECTS = 10  # of a class, for its AP to mean something
SHOWN = 8  # classes in a line


def over_fitting(run: Run) -> Finding | None:
    """Finds an AP that falls for several evaluations while the loss falls on."""
    name = run.best_metric
    found = [(row["step"], row["metrics"][name]) for row in run.evaluations if row["metrics"].get(name) is not None]
    if len(found) < LATER + 1:
        raise NotCheckedError(f"{ROWS}: wanted at least {LATER + 1} evaluations with {name}, got {len(found)}")
    place = max(range(len(found)), key=lambda index: found[index][1])
    (step, best), (last_step, last) = found[place], found[-1]
    then = [row["total"] for row in run.train if row["step"] <= step and row.get("total") is not None]
    totals = [row["total"] for row in run.train if row.get("total") is not None]
    if len(found) - 1 - place < LATER or last > WORSE * best or not then or totals[-1] > then[-1]:
        return None
    return Finding(
        "the model over-fits",
        (
            f"{ROWS}, {name}: {best:.4f} at step {step}, the best; {last:.4f} at step {last_step}",
            f"{ROWS}, total: {then[-1]:.4g} at step {step}; {totals[-1]:.4g} at the end",
        ),
        "Use best.ckpt. Train for fewer epochs or set train.patience, add augmentation (data.augment) or images, and "
        "start from a pretrained detector (train.init_checkpoint).",
    )


def evaluation_finds_nothing(run: Run) -> Finding | None:
    """Finds an AP of nothing though the loss has fallen."""
    if not run.evaluations:
        raise NotCheckedError(f"{ROWS}: wanted an evaluation, got none")
    last = run.evaluations[-1]
    ap50 = last["metrics"].get("bbox_AP50")
    if ap50 is None or ap50 > NO_AP or not run.learns:
        return None
    return Finding(
        "the evaluation finds nothing that training has learnt",
        (
            f"{ROWS}, bbox_AP50: {ap50:.4f} at step {last['step']}",
            f"{ROWS}, total: {run.started or 0:.4g} at step 1; {run.parts('total')[-1]}",
        ),
        "Compare eval/pictures/ with the labels: the validation split may be of other images, or its classes and boxes "
        "differ from those of training (`mindrcnn doctor --split val`).",
    )


def classes_never_found(run: Run) -> Finding | None:
    """Finds classes with an AP50 of 0 where others are found."""
    if not run.classes:
        raise NotCheckedError(f"{METRICS}: wanted the classes of an evaluation, got none")
    counted = [entry for entry in run.classes if entry["objects"] >= OBJECTS]
    missed = [entry for entry in counted if entry["ap50"] <= 0]
    if not missed or len(missed) == len(counted):
        return None
    shown = ", ".join(f"{entry['name']} (0 of {entry['objects']} objects)" for entry in missed[:SHOWN])
    more = f" and {len(missed) - SHOWN} more" if len(missed) > SHOWN else ""
    return Finding(
        "some classes are never found",
        (f"{METRICS}, bbox AP50 is 0: {shown}{more}",),
        "`mindrcnn doctor` counts their objects in the training split; with few, add images of them. Check that both "
        "splits give them the same name.",
    )


def score_threshold(run: Run) -> Finding | None:
    """Finds a score threshold that cuts the curve from which AP is computed."""
    thresh = run.config.model.box.score_thresh
    if thresh <= USUAL_SCORE:
        return None
    evidence = [f"{CONFIG}, model.box.score_thresh: {thresh:g}"]
    if run.results:
        images = len({entry["image_id"] for entry in run.results})
        evidence.append(f"{RESULTS}: {len(run.results)} detections in {images} images")
    return Finding(
        "the score threshold lowers AP",
        tuple(evidence),
        "AP is an area under a curve that ends at the threshold: evaluate with model.box.score_thresh=0.05 or less, "
        "and choose a threshold for use with `mindrcnn infer --score-thresh`.",
    )


def detections_are_cut(run: Run) -> Finding | None:
    """Finds images with as many detections as the limit allows."""
    limit, least = run.config.model.box.detections_per_image, run.config.model.box.score_thresh
    if not run.results:
        raise NotCheckedError(f"{RESULTS}: wanted the results of an evaluation, got none")
    images = {entry["image_id"] for entry in run.results}
    likely = Counter(entry["image_id"] for entry in run.results if entry["score"] > 2 * max(least, 0.05))
    cut = [image for image, count in likely.items() if count >= limit]
    if len(cut) < MANY_IMAGES * len(images):
        return None
    return Finding(
        "images have more objects than detections are kept",
        (
            f"{RESULTS}: {len(cut)} of {len(images)} images have {limit} detections, all well above the threshold",
            f"{CONFIG}, model.box.detections_per_image: {limit}",
            f"{CONFIG}, eval.max_detections: {run.config.eval.max_detections}",
        ),
        "Raise model.box.detections_per_image, eval.max_detections with it, and model.rpn.post_nms_topk.test to a few "
        "times as many.",
    )
