"""Comparison of three training steps with the reference's sampling order: losses and first gradient norms."""

from collections.abc import Mapping, Sequence

import numpy as np
from mindspore import Tensor, nn, ops
from numpy.typing import NDArray

from mindrcnn.models.detector import TrainingLosses, TwoStageDetector
from parity.case import GoldenCase
from parity.comparison import Comparison

LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 1e-4  # of the golden runs

OUR_LOSS = {
    "loss_objectness": "loss_rpn_cls",
    "loss_rpn_box_reg": "loss_rpn_box",
    "loss_rpn_loc": "loss_rpn_box",
    "loss_rpn_bbox": "loss_rpn_box",
    "loss_classifier": "loss_cls",
    "loss_bbox": "loss_box_reg",
}
LOSS_LIMIT, MASK_LOSS_LIMIT = 1e-3, 3e-2
# torchvision's cases train batch norm on the statistics of a single image, which magnifies rounding differences.
LATER_BATCH_NORM_LIMIT = 1e-2
# PointRend's mask losses are three times as large as the others' there, and the first steps take the classification
# loss from 8.8 to 0.9: a difference of 1 % in the gradient grows to one of 10 % in that loss.
LATER_MASK_LIMIT, LATER_POINT_LIMIT = 0.1, 0.2
MIN_NORM = 1e-5  # a norm below this is rounding
GRADIENT_LIMIT = 1e-2
# for parameters that the mask loss reaches; torchvision's mask targets are soft
MASK_GRADIENT_LIMITS = {"torchvision": 0.2, "detectron2": 5e-2, "mmdetection": 5e-2}


class LossesAndGradients(nn.Cell):
    """Losses of a detector and the gradients of their sum to its trainable parameters, in one compiled step."""

    def __init__(self, *, detector: TwoStageDetector) -> None:
        super().__init__(auto_prefix=False)
        self.losses = TrainingLosses(detector=detector)
        self.gradient = ops.value_and_grad(self.total, None, detector.trainable_params(), has_aux=True)

    def total(self, *batch: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        losses = self.losses(*batch)
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total, losses

    def construct(self, *batch: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Takes the arguments of TwoStageDetector.losses; returns losses and gradients."""
        (_, losses), gradients = self.gradient(*batch)
        return losses, gradients


# The golden runs' points of PointRend: number i is the fraction of i times these, the plastic number's powers, which
# fill the unit square evenly. The points that are not chosen by uncertainty count from 0 again.
POINT_STEPS = (0.754877666, 0.569840291)
CANDIDATE_SHARE = 588 / (588 + 49)  # 3 x 196 candidates, of which 147 are taken, and 49 random points


def sampling_order(case: GoldenCase, shapes: Sequence[tuple[int, ...]], objects: int) -> tuple[Tensor, ...]:
    """Returns noise that makes samplers take candidates in index order; mmdetection counts objects before proposals.

    Noise of a mask branch is PointRend's: (B, positives, candidates and the random rest of the points, 2).
    """
    noise = [np.arange(shape[1], dtype=np.float32) / shape[1] for shape in shapes[:2]]
    if case.library == "mmdetection":
        noise[1] = np.roll(noise[1], -objects)
    return (*(Tensor(values[None]) for values in noise), *(Tensor(even_points(shape)) for shape in shapes[2:]))


def even_points(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Returns (B, positives, points, 2): the golden runs' points for every object."""
    total = shape[2]
    candidates = round(total * CANDIDATE_SHARE)
    number = np.concatenate((np.arange(candidates), np.arange(total - candidates)))
    points = (number[:, None] * np.array(POINT_STEPS)) % 1
    return np.broadcast_to(points.astype(np.float32), shape).copy()


def compare_training(
    case: GoldenCase,
    detector: TwoStageDetector,
    names: Mapping[str, str],
    *,
    channel_order: str,
    mask_side: int,
    steps: int | None = None,
) -> list[Comparison]:
    """Trains `detector` for as many steps as the case has losses, and compares each step.

    names: the reference's parameter names -> ours.
    channel_order: "rgb" or "bgr".
    mask_side: side of the stored masks.
    steps: only so many.
    """
    images, sizes = case.image(channel_order)
    truth = case.ground_truth(mask_side)
    _, gt_labels, _, _, _ = truth
    _, slots = gt_labels.shape
    height, width = images.shape[2:]
    shapes = detector.noise_shapes(1, height, width, slots)
    noise = sampling_order(case, shapes, slots)
    step = LossesAndGradients(detector=detector).set_train()
    all_wanted = case.arrays["losses"][:steps]
    last = len(all_wanted) - 1
    if last > 0:  # building and compiling the optimizer takes as long as a step
        optimizer = nn.SGD(detector.trainable_params(), LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    found = []
    for number, wanted in enumerate(all_wanted):
        losses, gradients = step(images, sizes, *truth, *noise)
        ours = dict(zip(detector.loss_names, (float(loss) for loss in losses), strict=True))
        if number == 0:
            found += compare_gradient_norms(case, detector, names, gradients)
        for theirs, value in zip(case.arrays["loss_names"], wanted, strict=True):
            name = OUR_LOSS.get(str(theirs), str(theirs))
            difference = abs(ours[name] - value) / value
            limit = MASK_LOSS_LIMIT if "mask" in name else LOSS_LIMIT
            if number > 0:
                limit = max(limit, later_limit(case, detector))
            found.append(
                Comparison(f"step {number + 1}", f"{name} ({value:.4g}), relative difference", difference, limit)
            )
        if number < last:
            optimizer(gradients)
    return found


def later_limit(case: GoldenCase, detector: TwoStageDetector) -> float:
    """Returns the limit for losses after the first step.

    The weights then differ by the effect of other mask targets on their gradients.
    """
    if detector.mask is None:
        return LATER_BATCH_NORM_LIMIT if case.library == "torchvision" else LOSS_LIMIT
    return LATER_POINT_LIMIT if "loss_mask_point" in detector.loss_names else LATER_MASK_LIMIT


def compare_gradient_norms(
    case: GoldenCase, detector: TwoStageDetector, names: Mapping[str, str], gradients: tuple[Tensor, ...]
) -> list[Comparison]:
    """Compares gradient norms by their largest relative difference, parameters that the mask loss reaches apart."""
    norms = {
        parameter.name: float(np.linalg.norm(gradient.asnumpy()))
        for parameter, gradient in zip(detector.trainable_params(), gradients, strict=True)
    }
    theirs = {
        names[key.removeprefix("gradnorm_")]: float(value[0])
        for key, value in case.arrays.items()
        if key.startswith("gradnorm_")
    }
    found = []
    masks = detector.mask is not None
    for part, limit in (
        (("rpn.", "box."), GRADIENT_LIMIT),
        (("backbone.", "neck.", "mask."), MASK_GRADIENT_LIMITS[case.library]),
    ):
        differences = {
            name: abs(norms[name] - wanted) / max(wanted, MIN_NORM)
            for name, wanted in theirs.items()
            if name.startswith(part)
        }
        worst = max(differences, key=lambda name: differences[name])
        found.append(
            Comparison(
                "gradient norms",
                f"largest relative difference of {len(differences)} ({worst})",
                differences[worst],
                limit if masks else GRADIENT_LIMIT,
            )
        )
    missing = sorted(set(norms) ^ set(theirs))
    found.append(Comparison("gradient norms", f"parameters that only one side trains ({missing[:3]})", len(missing), 0))
    return found
