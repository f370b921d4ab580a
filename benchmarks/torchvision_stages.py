"""Times of torchvision's stages: its own functions, timed as they call each other."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from benchmarks import stages
from benchmarks.torchvision_detector import (
    build_optimizer,
    inference_images,
    random_detector,
    set_score_thresh,
    training_batch,
)
from benchmarks.worker import Prepared


class StageClock:
    """Sums of the time of nested stages; the time of an inner stage does not count for the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.open: list[str] = []
        self.changed = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block as a stage."""
        self._switch()
        self.open.append(name)
        try:
            yield
        finally:
            self._switch()
            self.open.pop()

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Makes every call of owner.attribute a stage."""
        function: Callable[..., Any] = getattr(owner, attribute)

        def timed(*arguments: Any, **named: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **named)

        setattr(owner, attribute, timed)

    def read_and_reset(self) -> Mapping[str, float]:
        """Returns the seconds since the last call."""
        taken, self.seconds = dict(self.seconds), defaultdict(float)
        return taken

    def _switch(self) -> None:
        now = time.perf_counter()
        if self.open:
            self.seconds[self.open[-1]] += now - self.changed
        self.changed = now


def watch(model: nn.Module, clock: StageClock) -> None:
    """Assigns the model's functions to stages.

    The rest of the RPN counts as proposals, the rest of the heads as the mask branch.
    """
    rpn, heads = model.rpn, model.roi_heads
    for owner, attribute, name in (
        (model, "forward", stages.OTHER),
        (model.backbone, "forward", stages.BACKBONE),
        (rpn, "forward", stages.PROPOSALS),
        (rpn.head, "forward", stages.RPN_HEAD),
        (rpn, "assign_targets_to_anchors", stages.SAMPLING),
        (rpn, "compute_loss", stages.SAMPLING),
        (heads, "forward", stages.MASK_BRANCH if heads.has_mask() else stages.BOX_HEAD),
        (heads, "select_training_samples", stages.SAMPLING),
        (heads.box_roi_pool, "forward", stages.ROI_ALIGN),
        (heads.box_head, "forward", stages.BOX_HEAD),
        (heads.box_predictor, "forward", stages.BOX_HEAD),
        (heads, "postprocess_detections", stages.DETECTIONS),
        (model.transform, "postprocess", stages.PASTE),
    ):
        clock.wrap(owner, attribute, name)


def inference(*, head: str, batch: int, height: int, width: int) -> Prepared:
    """Prepares the stages of inference."""
    model = random_detector(head, height, width).eval()
    images = inference_images(batch, height, width)
    set_score_thresh(model, images)
    clock = StageClock()
    watch(model, clock)

    @torch.inference_mode()
    def run() -> Mapping[str, float]:
        model(images)
        return clock.read_and_reset()

    return Prepared(run=run)


def training(*, head: str, batch: int, height: int, width: int, objects: int) -> Prepared:
    """Prepares the stages of a training step."""
    model = random_detector(head, height, width).train()
    optimizer = build_optimizer(model)
    images, targets = training_batch(batch, height, width, objects)
    clock = StageClock()
    watch(model, clock)

    def run() -> Mapping[str, float]:
        losses = model(images, targets)
        with clock.stage(stages.BACKWARD):
            optimizer.zero_grad()
            sum(losses.values()).backward()
        with clock.stage(stages.OPTIMIZER):
            optimizer.step()
        return clock.read_and_reset()

    return Prepared(run=run)
