"""Rules over the losses and the speed of a run."""

from __future__ import annotations

from mindrcnn.check.finding import Finding
from mindrcnn.check.run import FALL, ROWS, Run

RISE = 1.3  # the last part of the loss over its least
LOWER = 0.95  # the least part of the loss over the first, of a run that learns at all
FLAT = 0.03  # the spread of a flat loss, as a fraction of its mean
SHARE = 0.05  # least share of the total of a loss that may be called flat
WAIT = 0.2
NOTHING = 1e-6  # a loss without any positive


def not_finite(run: Run) -> Finding | None:
    """Finds rows whose loss is not finite."""
    rows = [row for row in run.train if row.get("total") is None or None in row.get("losses", {}).values()]
    if not rows:
        return None
    named = [name for name, value in rows[0].get("losses", {}).items() if value is None]
    return Finding(
        "the loss is not finite",
        (f"{ROWS}, step {rows[0]['step']}: {', '.join(named) or 'total'} is null in {len(rows)} rows",),
        "Lower train.schedule.base_lr to a third, set train.optimizer.clip_norm to 10, and run `mindrcnn doctor` on "
        "the data: boxes without area are another cause.",
    )


def learning_rate_too_high(run: Run) -> Finding | None:
    """Finds a total loss that ends clearly above its least after the warm-up."""
    parts = run.parts("total")
    least, last = min(parts, key=lambda part: part.mean), parts[-1]
    if last.mean <= RISE * least.mean:
        return None
    highest, norms = max(run.train, key=lambda row: row.get("lr") or 0), run.parts("grad_norm")
    return Finding(
        "the loss rises, as with a learning rate that is too high",
        (
            f"{ROWS}, total, {least}, its least; {last}",
            f"{ROWS}, grad_norm, {norms[0]}; {norms[-1]}",
            f"{ROWS}, lr: at most {highest.get('lr') or 0:.3g}, at step {highest['step']}",
        ),
        "Lower train.schedule.base_lr to a third, or lengthen train.schedule.warmup_iterations. "
        "train.optimizer.clip_norm limits single large steps.",
    )


def loss_does_not_fall(run: Run) -> Finding | None:
    """Finds a total loss that is as high at the end as after the warm-up, and at no time much lower."""
    parts = run.parts("total")
    first, last = parts[0], parts[-1]
    started = run.started or first.mean
    if min(part.mean for part in parts) < LOWER * first.mean or first.mean < FALL * started:
        return None  # it fell, if only during the warm-up
    return Finding(
        "the loss does not fall",
        (f"{ROWS}, total, {first}; {last}; step 1: {started:.4g}",),
        "Check train.freeze and the learning rate in train.log (both too low and too high end like this), and look at "
        "eval/pictures/ and `mindrcnn doctor` for labels that do not fit their images.",
    )


def one_loss_is_flat(run: Run) -> Finding | None:
    """Finds a loss that stays where it is while the total falls."""
    total = run.parts("total")
    if not run.learns:
        return None
    evidence = []
    for name in run.loss_names:
        means = [part.mean for part in run.parts(name)]
        middle = sum(means) / len(means)
        if middle > SHARE * total[-1].mean and max(means) - min(means) < FLAT * middle:
            parts = run.parts(name)
            evidence.append(f"{ROWS}, {name}, {parts[0]}; {parts[-1]}; all tenths within {FLAT:.0%}")
    if not evidence:
        return None
    return Finding(
        "one part does not learn while the others do",
        (*evidence, f"{ROWS}, total, {total[0]}; {total[-1]}"),
        "Check that its parameters train (train.freeze, train.optimizer.groups, and the number that train in "
        "train.log) and that its labels are right; a mask loss of 0.69 is that of masks of one half everywhere.",
    )


def nothing_is_matched(run: Run) -> Finding | None:
    """Finds box losses that are 0 throughout: no anchor or no proposal was ever matched with an object."""
    evidence = []
    for name, what in (("loss_rpn_box", "anchor"), ("loss_box_reg", "proposal")):
        values = [row["losses"][name] for row in run.train if row.get("losses", {}).get(name) is not None]
        if values and max(values) < NOTHING:
            steps = f"steps {run.train[0]['step']} to {run.train[-1]['step']}"
            evidence.append(
                f"{ROWS}, {name}, {steps}: at most {max(values):.2g}, so no {what} is matched with an object"
            )
    if not evidence:
        return None
    return Finding(
        "boxes are never matched",
        tuple(evidence),
        "Run `mindrcnn doctor` on the configuration: objects may be crowds only, lie outside their images (x, y, "
        "width, height are wanted), or be far from the sizes of model.anchors.sizes. For proposals see "
        "model.roi_sampling.fg_iou_thresh too.",
    )


def waits_for_data(run: Run) -> Finding | None:
    """Finds a run whose device waits for its images."""
    parts = run.parts("data_wait")
    share = sum(part.mean for part in parts) / len(parts)
    if share < WAIT:
        return None
    speed = run.parts("images_per_s")[-1]
    return Finding(
        "training waits for data",
        (f"{ROWS}, data_wait, steps {parts[0].first} to {parts[-1].last}: {share:.0%} of the time; images/s, {speed}",),
        f"Raise data.workers (now {run.config.data.workers}) up to the number of cores and data.prefetch (now "
        f"{run.config.data.prefetch}), store the images smaller or on a faster disk, or convert them with "
        f"`mindrcnn mindrecord`.",
    )
