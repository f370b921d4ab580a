"""The table of benchmark cases."""

from typing import Any

from benchmarks.case import INFERENCE_RIVALS, MINDRCNN, PORTABLE, TORCHVISION, TRAINING_RIVALS, Case, Side

SIZES = ((512, 512), (800, 1344))
BATCHES = (1, 2)
HEADS = ("faster_rcnn", "mask_rcnn", "ms_rcnn", "point_rend")
TORCHVISION_HEADS = ("faster_rcnn", "mask_rcnn")  # torchvision has no others
OBJECTS = 32  # per training image: enough for the sampler to fill its positives

# Turns of cases with a target, of other cases, and of those that take longest.
MANY, SOME, FEW = 7, 3, 2
KERNEL_TURNS = 5
LARGE_TURNS = 5  # cases with a target at 800x1344


def sides_of(head: str) -> tuple[Side, ...]:
    """Returns the sides that have this head set."""
    return (MINDRCNN, TORCHVISION) if head in TORCHVISION_HEADS else (MINDRCNN,)


def detector_case(
    group: str,
    kind: str,
    *,
    head: str = "mask_rcnn",
    batch: int = 1,
    height: int,
    width: int,
    name: str = "",
    repetitions: int = SOME,
    core: bool = True,
    sides: tuple[Side, ...] | None = None,
    **more: Any,
) -> Case:
    """Returns a case of a whole model, named after its settings unless `name` is given."""
    settings: dict[str, Any] = {"head": head, "batch": batch, "height": height, "width": width, **more}
    if kind.startswith("training"):
        settings.setdefault("objects", OBJECTS)
    return Case(
        name=f"{group}/{name or f'{head}/{height}x{width}/batch{batch}'}",
        group=group,
        kind=kind,
        settings=settings,
        sides=sides or sides_of(head),
        repetitions=repetitions,
        core=core,
    )


def model_cases() -> list[Case]:
    """Returns inference and training steps of every head set, size and batch. Slow ones without a target need --all."""
    found = []
    for kind in ("inference", "training"):
        for height, width in SIZES:
            for head in HEADS:
                for batch in BATCHES:
                    large = height > 512
                    target = head == "mask_rcnn" and batch == 1
                    rivals = INFERENCE_RIVALS if kind == "inference" else TRAINING_RIVALS
                    found.append(
                        detector_case(
                            kind,
                            kind,
                            head=head,
                            batch=batch,
                            height=height,
                            width=width,
                            sides=(*sides_of(head), *rivals) if target else None,
                            repetitions=(LARGE_TURNS if large else MANY) if target else FEW if large else SOME,
                            core=target
                            or (batch == 1 and not large)
                            or (kind == "inference" and head in TORCHVISION_HEADS),
                        )
                    )
    return found


def stage_cases() -> list[Case]:
    """Returns the timings of single stages; without --all for Mask R-CNN only."""
    return [
        detector_case(
            f"{kind}_stages",
            f"{kind}_stages",
            head=head,
            batch=batch,
            height=height,
            width=width,
            repetitions=SOME if kind == "inference" else FEW,
            core=head == "mask_rcnn" and batch == 1,
        )
        for kind in ("inference", "training")
        for height, width in SIZES
        for head in HEADS
        for batch in BATCHES
    ]


def growth_cases() -> list[Case]:
    """Returns cases in which one quantity grows at a time; cases of other groups give the points between."""
    small: dict[str, Any] = {"height": 256, "width": 256}
    found = []
    for side in (256, 640):
        for kind in ("inference", "training"):
            found.append(detector_case("growth", kind, height=side, width=side, name=f"{kind}/size/{side}x{side}"))
    for batch in (2, 4):
        found.append(detector_case("growth", "training", batch=batch, name=f"training/batch/{batch}", **small))
    for objects in (1, 128):
        found.append(detector_case("growth", "training", objects=objects, name=f"training/objects/{objects}", **small))
    for proposals in (250, 2000):
        name = f"inference/proposals/{proposals}"
        found.append(detector_case("growth", "inference", proposals=proposals, name=name, **small))
    found.append(
        detector_case(
            "growth",
            "training",
            objects=16,
            slots=16,
            name="training/slots/16",
            sides=(MINDRCNN,),
            repetitions=FEW,
            **small,
        )
    )
    return found


def kernel_case(name: str, kind: str, **settings: Any) -> Case:
    """Returns a case of a kernel, the portable operators of the same function, and torchvision."""
    sides: tuple[Side, ...] = (MINDRCNN, PORTABLE, TORCHVISION)
    if settings.get("adaptive"):
        sides = (MINDRCNN, PORTABLE)  # torchvision's detectors do not use it
    return Case(
        name=f"kernel/{name}", group="kernel", kind=kind, settings=settings, sides=sides, repetitions=KERNEL_TURNS
    )


def kernel_cases() -> list[Case]:
    """Returns a case for every function that has a kernel."""
    one_level: dict[str, Any] = {"boxes": 512, "resolution": 7, "one_level": True}
    pyramid: dict[str, Any] = {"boxes": 512, "resolution": 7, "one_level": False, "backward": True}
    masks: dict[str, Any] = {"boxes": 128, "resolution": 14, "one_level": False, "backward": True}
    fine: dict[str, Any] = {"maps": 1, "channels": 256, "height": 200, "width": 336, "points": 128 * 196}
    coarse: dict[str, Any] = {"maps": 100, "channels": 80, "height": 7, "width": 7, "points": 784}
    return [
        kernel_case("roi_align/forward", "roi_align", backward=False, **one_level),
        kernel_case("roi_align/forward_backward", "roi_align", backward=True, **one_level),
        kernel_case("roi_align/pyramid/forward_backward", "roi_align", **pyramid),
        kernel_case("roi_align/masks/forward_backward", "roi_align", **masks),
        kernel_case("roi_align/adaptive/forward_backward", "roi_align", adaptive=True, **pyramid),
        kernel_case("nms/4000", "nms", boxes=4000),
        kernel_case("nms/8x2000", "nms", boxes=2000, rows=8),
        kernel_case("matching/128x245520", "matching", objects=128),
        kernel_case("mask_targets/128x28x28", "mask_targets", samples=128, objects=32, side=28),
        kernel_case("point_sample/forward", "point_sample", backward=False, **fine),
        kernel_case("point_sample/forward_backward", "point_sample", backward=True, **fine),
        kernel_case("point_sample/coarse/forward", "point_sample", backward=False, **coarse),
        kernel_case("paste/100x28x28", "paste", masks=100, side=28),
    ]


def evaluation_case() -> Case:
    """Returns the case that times a whole evaluation."""
    return Case(
        name="evaluation/mask_rcnn/512x512",
        group="evaluation",
        kind="evaluation",
        settings={"head": "mask_rcnn", "images": 40, "height": 512, "width": 512},
        sides=(MINDRCNN,),
        repetitions=FEW,
        needs_data=True,
    )


# Cases with a target come first, so that an interrupted run has them.
CASES = tuple(
    sorted(
        (*model_cases(), *kernel_cases(), *stage_cases(), *growth_cases(), evaluation_case()),
        key=lambda case: case.repetitions < LARGE_TURNS,
    )
)
