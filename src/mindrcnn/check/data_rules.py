"""Rules over the training data as the network gets it."""

from __future__ import annotations

from mindrcnn.check.finding import Finding
from mindrcnn.check.run import CONFIG, Run

UNREACHED = 0.1  # of the objects, without an anchor that is not background to them


def anchors_do_not_fit(run: Run) -> Finding | None:
    """Finds objects that no anchor comes near, where other anchors would do better."""
    view, model = run.view, run.config.model
    proposal = view["proposal"]
    if view["objects_below_bg_iou"] < UNREACHED or not proposal:
        return None
    return Finding(
        "the anchors do not fit the objects",
        (
            f"data.train: {view['objects_below_bg_iou']:.0%} of the objects have no anchor of IoU "
            f"{model.rpn.bg_iou_thresh:g} (model.rpn.bg_iou_thresh), {view['objects_below_fg_iou']:.0%} none of "
            f"{model.rpn.fg_iou_thresh:g}; they are {view['object_size'][0]:g} to {view['object_size'][2]:g} pixels "
            f"large",
            f"{CONFIG}, model.anchors.sizes: {list(model.anchors.sizes)}",
        ),
        "Train again with what `mindrcnn doctor` proposes:\n" + "\n".join(proposal),
    )


def objects_are_left_out(run: Run) -> Finding | None:
    """Finds images with more objects than slots."""
    beyond = run.view["objects_beyond_max_objects"]
    if not beyond:
        return None
    return Finding(
        "training leaves objects out",
        (f"data.train: {beyond} objects are beyond the {run.config.data.max_objects} of an image",),
        "Raise data.max_objects to the most objects of an image, which `mindrcnn doctor` prints: an object that is "
        "left out is trained as background.",
    )
