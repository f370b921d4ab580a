"""Sums of the losses of each stage, under the names that the MindSpore model zoo logs."""

from collections.abc import Mapping

_FIRST_STAGE = "loss_rpn_"


def stage_losses(losses: Mapping[str, float]) -> dict[str, float]:
    """Returns rpn_loss, the sum of the first stage's losses, and rcnn_loss, of all others; nothing without an RPN."""
    first = [value for name, value in losses.items() if name.startswith(_FIRST_STAGE)]
    if not first:
        return {}
    others = [value for name, value in losses.items() if not name.startswith(_FIRST_STAGE)]
    return {"rpn_loss": sum(first), "rcnn_loss": sum(others)}


def describe_losses(losses: Mapping[str, float]) -> str:
    """Returns the sum of the losses, those of both stages, and each loss, as in "3.0000, rpn_loss 1.0000 (...)"."""
    sums = "".join(f", {name} {value:.4f}" for name, value in stage_losses(losses).items())
    named = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
    return f"{sum(losses.values()):.4f}{sums} ({named})"
