"""The table of cases, with the limits that the project has set itself."""

from __future__ import annotations

from typing import Any

from benchmarks.case import OURS, PORTABLE, THEIRS, Case, Limit, Side

SIZES = ((512, 512), (800, 1344))
BATCHES = (1, 2)
HEADS = ("faster_rcnn", "mask_rcnn", "ms_rcnn", "point_rend")
THEIR_HEADS = ("faster_rcnn", "mask_rcnn")  # torchvision has no others
OBJECTS = 32  # of a training image: enough positives for the samplers to choose from

# Repetitions by what one turn of both sides takes.
SHORT, LONG = 7, 5

INFERENCE_LIMITS = {(512, 512): Limit(wanted=0.60, required=0.80), (800, 1344): Limit(wanted=0.70, required=0.90)}
TRAINING_LIMITS = {(512, 512): Limit(wanted=0.55, required=0.75), (800, 1344): Limit(wanted=0.65, required=0.85)}
MEMORY_LIMIT = Limit(wanted=1.0, required=1.0, measure="memory")


def detector_cases() -> list[Case]:
    """Inference and training steps of every head set, size and batch."""
    return [
        detector_case(kind, head, batch, height, width)
        for kind in ("inference", "training")
        for height, width in SIZES
        for head in HEADS
        for batch in BATCHES
    ]


def detector_case(kind: str, head: str, batch: int, height: int, width: int) -> Case:
    """One of them. The slow ones that nobody sets a limit for run with --all only, and few times."""
    main = head == "mask_rcnn" and batch == 1
    settings: dict[str, Any] = {"head": head, "batch": batch, "height": height, "width": width}
    limits: tuple[Limit, ...] = ()
    if kind == "training":
        settings["objects"] = OBJECTS
    if main:
        limits = ((INFERENCE_LIMITS if kind == "inference" else TRAINING_LIMITS)[height, width],)
        if kind == "training" and height == 800:
            limits += (MEMORY_LIMIT,)
    sides: tuple[Side, ...] = (OURS, THEIRS) if head in THEIR_HEADS else (OURS,)
    return Case(
        name=f"{kind}/{head}/{height}x{width}/batch{batch}",
        group=kind,
        kind=kind,
        settings=settings,
        sides=sides,
        repetitions=(SHORT if height == 512 else LONG) if main else 3 if kind == "inference" else 2,
        core=main or (batch == 1 and height == 512) or (kind == "inference" and head in THEIR_HEADS),
        limits=limits,
    )


def kernel_case(name: str, kind: str, *, limit: float | None = None, **settings: Any) -> Case:
    """A kernel beside the portable operators behind the same function, and torchvision."""
    sides: tuple[Side, ...] = (OURS, PORTABLE, THEIRS)
    if kind == "paste":
        sides = (OURS, THEIRS)  # numpy and pycocotools: there is no second form
    if settings.get("adaptive"):
        sides = (OURS, PORTABLE)  # torchvision has it, but its detectors do not use it
    return Case(
        name=f"kernel/{name}",
        group="kernel",
        kind=kind,
        settings=settings,
        sides=sides,
        repetitions=7,
        limits=() if limit is None else (Limit(wanted=limit, required=limit),),
    )


def kernel_cases() -> list[Case]:
    """Every function that has a kernel, and pasting."""
    one_level: dict[str, Any] = {"boxes": 512, "resolution": 7, "one_level": True}
    pyramid: dict[str, Any] = {"boxes": 512, "resolution": 7, "one_level": False, "backward": True}
    masks: dict[str, Any] = {"boxes": 128, "resolution": 14, "one_level": False, "backward": True}
    fine: dict[str, Any] = {"maps": 1, "channels": 256, "height": 200, "width": 336, "points": 128 * 196}
    return [
        kernel_case("roi_align/forward", "roi_align", limit=0.20, backward=False, **one_level),
        kernel_case("roi_align/forward_backward", "roi_align", limit=0.15, backward=True, **one_level),
        kernel_case("roi_align/pyramid/forward_backward", "roi_align", **pyramid),
        kernel_case("roi_align/masks/forward_backward", "roi_align", **masks),
        kernel_case("roi_align/adaptive/forward_backward", "roi_align", adaptive=True, **pyramid),
        kernel_case("nms/4000", "nms", limit=0.5, boxes=4000),
        kernel_case("matching/128x245520", "matching", limit=0.2, objects=128),
        kernel_case("mask_targets/128x28x28", "mask_targets", samples=128, objects=32, side=28),
        kernel_case("point_sample/forward", "point_sample", backward=False, **fine),
        kernel_case("point_sample/forward_backward", "point_sample", backward=True, **fine),
        kernel_case("paste/100x28x28", "paste", limit=0.2, masks=100, side=28),
    ]


CASES = (*detector_cases(), *kernel_cases())
