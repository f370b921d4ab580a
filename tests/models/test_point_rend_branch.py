"""PointRend's losses and masks against loops, equal for both slot selections, and without any object."""

import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindrcnn.models.point_rend_branch import CoarseHead, PointHead, PointRendBranch, TrainingPoints
from mindrcnn.models.slot_selection import SlotSelection, all_slots, valid_slots

CLASSES, CHANNELS, STRIDE, STORED = 3, 4, 4, 16
HEIGHT, WIDTH = 10, 14  # of P2
RESOLUTION, SIDE = 6, 3
POINTS, CANDIDATES, UNCERTAIN = 8, 20, 6
COARSE_WEIGHT, POINT_WEIGHT = 2.0, 3.0
STEP = 1e-3  # of differences: small enough that the same points stay the most uncertain
Arrays = dict[str, np.ndarray]


def build_branch(rows: SlotSelection = all_slots, *, steps: int = 3, points: int = 40) -> PointRendBranch:
    """A branch with fixed parameters, varied enough that masks are not flat."""
    branch = PointRendBranch(
        coarse_head=CoarseHead(in_channels=CHANNELS, resolution=RESOLUTION, fc_channels=8, num_classes=CLASSES),
        point_head=PointHead(in_channels=CHANNELS, num_layers=2, channels=6, num_classes=CLASSES),
        training_points=TrainingPoints(count=POINTS, oversampling=CANDIDATES / POINTS, importance=UNCERTAIN / POINTS),
        subdivision_steps=steps,
        subdivision_points=points,
        select_slots=rows,
        max_positives=2,
        coarse_weight=COARSE_WEIGHT,
        point_weight=POINT_WEIGHT,
    )
    rng = np.random.default_rng(0)
    for parameter in branch.get_parameters():
        parameter.set_data(Tensor((rng.normal(size=parameter.shape) * 0.5).astype(np.float32)))
    return branch


def make_case() -> Arrays:
    """Two images, three samples each, of which two can be positive: both in the first image, one in the second.

    Boxes reach over the border of the features; one sample is its object's box, the others are near theirs.
    """
    rng = np.random.default_rng(1)
    gt_boxes = np.float32([[[10, 10, 30, 38], [25, 2, 58, 20]], [[0, 0, 16, 16], [12, 8, 50, 30]]])
    boxes = np.tile(np.float32([0, 0, 8, 8]), (2, 3, 1))
    boxes[0, 0], boxes[0, 1], boxes[1, 0] = gt_boxes[0, 1], [7, 12, 33, 43], [14, 5, 60, 29]
    return {
        "feature": rng.normal(size=(2, CHANNELS, HEIGHT, WIDTH)).astype(np.float32),
        "boxes": boxes,
        "labels": np.array([[3, 1, 0], [2, 0, 0]], np.int32),
        "valid": np.ones((2, 3), bool),
        "matched": np.array([[1, 0, 0], [1, 0, 0]], np.int32),
        "gt_boxes": gt_boxes,
        "gt_labels": np.array([[1, 3], [1, 2]], np.int32),
        "gt_valid": np.ones((2, 2), bool),
        "gt_crowd": np.zeros((2, 2), bool),
        "gt_masks": rng.integers(0, 2, (2, 2, STORED, STORED)).astype(np.uint8),
        "noise": rng.random((2, 2, CANDIDATES + POINTS - UNCERTAIN, 2)).astype(np.float32),
    }


# ------------------------------------------------------------------------------------------------- loops as reference


def read_bilinear(map_: np.ndarray, x: float, y: float) -> np.ndarray:
    """Value of a map (C, H, W) at (x, y) in cells, zeros outside."""
    _, height, width = map_.shape
    columns = np.maximum(0, 1 - np.abs(np.arange(width) + 0.5 - x))
    rows = np.maximum(0, 1 - np.abs(np.arange(height) + 0.5 - y))
    return map_ @ columns @ rows


def in_image(box: np.ndarray, point: np.ndarray) -> np.ndarray:
    return box[:2] + (box[2:] - box[:2]) * point


def fine_features(case: Arrays, image: int, box: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.array([read_bilinear(case["feature"][image], *(in_image(box, point) / STRIDE)) for point in points])


def centres(cells: np.ndarray, side: int) -> np.ndarray:
    return np.stack([cells % side + 0.5, cells // side + 0.5], axis=1) / side


def coarse_masks(branch: PointRendBranch, case: Arrays, image: int, box: np.ndarray) -> np.ndarray:
    """Coarse masks (K, M, M); the head itself has its own test."""
    grid = fine_features(case, image, box, centres(np.arange(RESOLUTION**2), RESOLUTION))
    pooled = grid.T.reshape(1, CHANNELS, RESOLUTION, RESOLUTION).astype(np.float32)
    return branch.coarse_head(Tensor(pooled)).asnumpy()[0]


def point_logits(
    branch: PointRendBranch, case: Arrays, image: int, box: np.ndarray, label: int, points: np.ndarray
) -> np.ndarray:
    fine = fine_features(case, image, box, points)
    masks = coarse_masks(branch, case, image, box)
    coarse = np.array([read_bilinear(masks, *(point * SIDE)) for point in points])
    arguments = (Tensor(fine[None].astype(np.float32)), Tensor(coarse[None].astype(np.float32)))
    return branch.point_head(*arguments, Tensor(np.array([label], np.int32))).asnumpy()[0]


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    probability = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return float(-(targets * np.log(probability) + (1 - targets) * np.log(1 - probability)).mean())


def coarse_target(mask: np.ndarray, gt_box: np.ndarray, box: np.ndarray) -> np.ndarray:
    """1 where most of the 4x4 samples of a cell lie in the object."""
    target = np.zeros((SIDE, SIDE))
    for row, column in np.ndindex(SIDE, SIDE):
        hits = 0
        for y, x in np.ndindex(4, 4):
            point = in_image(box, np.array([column + (x + 0.5) / 4, row + (y + 0.5) / 4]) / SIDE)
            share = (point - gt_box[:2]) / (gt_box[2:] - gt_box[:2])
            if (share >= 0).all() and (share <= 1).all():
                cell = np.clip(share * STORED, 0.5, STORED - 0.5)  # at the border the outermost cells continue
                hits += read_bilinear(mask[None].astype(float), *cell)[0] >= 0.5
        target[row, column] = hits >= 8
    return target


def reference_losses(branch: PointRendBranch, case: Arrays) -> tuple[float, float]:
    coarse_loss, point_loss = [], []
    for image, slot in [(0, 0), (0, 1), (1, 0)]:
        box, label = case["boxes"][image, slot], case["labels"][image, slot]
        own = case["matched"][image, slot]
        gt_box, mask = case["gt_boxes"][image, own], case["gt_masks"][image, own]
        logits = coarse_masks(branch, case, image, box)[label - 1]
        coarse_loss.append(cross_entropy(logits, coarse_target(mask, gt_box, box)))
        noise = case["noise"][image, slot]
        sampled = [abs(read_bilinear(logits[None], *(point * SIDE))[0]) for point in noise[:CANDIDATES]]
        points = np.concatenate([noise[np.argsort(sampled)[:UNCERTAIN]], noise[CANDIDATES:]])
        shares = [(in_image(box, point) - gt_box[:2]) / (gt_box[2:] - gt_box[:2]) for point in points]
        targets = np.array([read_bilinear(mask[None].astype(float), *(share * STORED))[0] for share in shares])
        point_loss.append(cross_entropy(point_logits(branch, case, image, box, label, points), targets))
    return COARSE_WEIGHT * float(np.mean(coarse_loss)), POINT_WEIGHT * float(np.mean(point_loss))


def doubled(mask: np.ndarray) -> np.ndarray:
    side = len(mask)
    places = np.clip((np.arange(2 * side) + 0.5) / 2, 0.5, side - 0.5)
    return np.array([[read_bilinear(mask[None], x, y)[0] for x in places] for y in places])


def reference_mask(
    branch: PointRendBranch, case: Arrays, image: int, box: np.ndarray, label: int, sides: list[int], points: int
) -> np.ndarray:
    first, *others = sides
    logits = point_logits(branch, case, image, box, label, centres(np.arange(first**2), first)).reshape(first, first)
    for side in others:
        logits = doubled(logits).ravel()
        cells = np.argsort(np.abs(logits), kind="stable")[:points]
        logits[cells] = point_logits(branch, case, image, box, label, centres(cells, side))
        logits = logits.reshape(side, side)
    return 1 / (1 + np.exp(-logits))


# --------------------------------------------------------------------------------------------------------------- losses


class Losses(nn.Cell):
    def __init__(self, branch: PointRendBranch) -> None:
        super().__init__()
        self.branch = branch
        self.gradient = ops.value_and_grad(self.total, None, branch.trainable_params(), has_aux=True)

    def total(self, feature: Tensor, *others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        coarse, point = self.branch.losses((feature,), others[:4], others[4:9], others[9])
        return coarse + point, coarse, point

    def construct(self, *arguments: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        return self.gradient(*arguments)


def run_losses(branch: PointRendBranch, case: Arrays) -> tuple[list[float], Arrays]:
    (_, *losses), gradients = Losses(branch)(*(Tensor(array) for array in case.values()))
    names = [parameter.name for parameter in branch.trainable_params()]
    return [float(v) for v in losses], {n: g.asnumpy() for n, g in zip(names, gradients, strict=True)}


def test_losses_equal_the_loops(mode: str) -> None:
    branch, case = build_branch(), make_case()
    losses, gradients = run_losses(branch, case)
    assert losses == pytest.approx(reference_losses(branch, case), rel=1e-4)
    assert branch.loss_names == ("loss_mask", "loss_mask_point")
    assert branch.noise_shapes(2) == (case["noise"].shape,)
    for name, gradient in gradients.items():
        assert gradient.any(), name


def test_gradient_by_differences() -> None:
    """Checked at the steepest entry of the coarse prediction, which both losses read, and of the point head."""
    case = make_case()
    branch = build_branch()
    _, gradients = run_losses(branch, case)
    for parameter in (branch.coarse_head.prediction.bias, branch.point_head.fcs[0].weight):
        gradient, value = gradients[parameter.name], parameter.asnumpy().copy()
        place = np.unravel_index(np.abs(gradient).argmax(), gradient.shape)
        totals = []
        for sign in (1, -1):
            moved = value.copy()
            moved[place] += sign * STEP
            parameter.set_data(Tensor(moved))
            totals.append(sum(run_losses(branch, case)[0]))
        parameter.set_data(Tensor(value))
        slope = (totals[0] - totals[1]) / (2 * STEP)
        assert gradient[place] == pytest.approx(slope, rel=2e-2)


def test_losses_without_positives_are_exactly_zero(mode: str) -> None:
    case = make_case()
    for name in ("labels", "gt_boxes", "gt_masks", "gt_labels", "gt_valid"):
        case[name][:] = 0
    losses, gradients = run_losses(build_branch(), case)
    assert losses == [0, 0]
    for name, gradient in gradients.items():
        assert not gradient.any(), name
        assert np.isfinite(gradient).all(), name


def test_fewer_samples_than_positives_could_be() -> None:
    case = make_case()
    for name in ("boxes", "labels", "valid", "matched"):
        case[name] = case[name][:, :1]
    losses, _ = run_losses(build_branch(), case)
    assert np.isfinite(losses).all()
    assert min(losses) > 0


def test_all_points_random() -> None:
    points = TrainingPoints(count=5, oversampling=1.0, importance=0.0)
    noise = np.random.default_rng(0).random((2, points.noise_count, 2)).astype(np.float32)
    chosen = points(Tensor(np.zeros((2, 3, 3), np.float32)), Tensor(noise))
    np.testing.assert_array_equal(chosen.asnumpy(), noise[:, 5:])


# ----------------------------------------------------------------------------------------------------------- prediction


class Prediction(nn.Cell):
    def __init__(self, branch: PointRendBranch) -> None:
        super().__init__()
        self.branch = branch

    def construct(self, feature: Tensor, *detections: Tensor) -> tuple[Tensor, Tensor]:
        return self.branch.predict((feature,), detections)


VALID = np.array([[True, True, False], [False, True, False]])
LABELS = np.array([[3, 1, 0], [0, 2, 0]], np.int32)
SCORES = np.float32([[0.9, 0.5, 0], [0, 0.7, 0]])


def run_prediction(branch: PointRendBranch, case: Arrays, valid: np.ndarray = VALID) -> tuple[np.ndarray, np.ndarray]:
    arrays = (case["feature"], case["boxes"], SCORES, LABELS * valid, valid)
    masks, scores = Prediction(branch)(*(Tensor(array) for array in arrays))
    return masks.asnumpy(), scores.asnumpy()


@pytest.mark.parametrize(
    ("steps", "points", "sides"),
    [(0, 5, [3]), (2, 10, [3, 6, 12]), (3, 36, [6, 12, 24]), (1, 1000, [6])],
    ids=["coarse grid only", "no step skipped", "one step skipped", "all steps skipped"],
)
def test_masks_equal_the_loops(mode: str, steps: int, points: int, sides: list[int]) -> None:
    branch, case = build_branch(steps=steps, points=points), make_case()
    masks, scores = run_prediction(branch, case)
    assert masks.shape == (2, 3, sides[-1], sides[-1])
    np.testing.assert_array_equal(scores, SCORES)
    assert not masks[~VALID].any()
    for image, slot in np.argwhere(VALID):
        box, label = case["boxes"][image, slot], LABELS[image, slot]
        wanted = reference_mask(branch, case, image, box, label, sides, points)
        np.testing.assert_allclose(masks[image, slot], wanted, atol=1e-4)
        assert np.ptp(wanted) > 0.02


def test_published_settings_start_at_28_and_end_at_224() -> None:
    branch = PointRendBranch(
        coarse_head=CoarseHead(in_channels=1, resolution=14, fc_channels=1, num_classes=1),
        point_head=PointHead(in_channels=1, num_layers=1, channels=1, num_classes=1),
        training_points=TrainingPoints(count=196, oversampling=3, importance=0.75),
        subdivision_steps=5,
        subdivision_points=784,
        select_slots=all_slots,
        max_positives=128,
        coarse_weight=1,
        point_weight=1,
    )
    assert (branch.first_side, branch.steps) == (28, 3)
    assert (branch.training_points.candidates, branch.training_points.uncertain) == (588, 147)
    assert branch.noise_shapes(2) == ((2, 128, 588 + 49, 2),)


class Disc(nn.Cell):
    """A point head that knows the answer: a disc around the middle of the box, read from a feature of positions."""

    def construct(self, fine: Tensor, coarse: Tensor, labels: Tensor) -> Tensor:
        return 8 - ops.sqrt((fine**2).sum(axis=2) + 1e-6)


def test_subdivision_sharpens_the_border_of_a_disc() -> None:
    positions = (np.stack(np.meshgrid(np.arange(24), np.arange(24))) + 0.5) * STRIDE - 40
    box = np.float32([[[28, 28, 52, 52]]])  # the disc has radius 8 in a box of side 24
    overlaps = []
    for steps in (0, 2, 4):
        branch = build_branch(steps=steps, points=30)
        branch.point_head = Disc()
        masks = Prediction(branch_of_positions(branch))(
            Tensor(positions[None].astype(np.float32)),
            *(Tensor(array) for array in (box, np.float32([[1]]), np.int32([[1]]), np.array([[True]]))),
        )[0].asnumpy()[0, 0]
        cells = len(masks) * (np.arange(480) + 0.5) / 480
        pasted = masks[np.ix_(cells.astype(int), cells.astype(int))] >= 0.5
        offset = (np.arange(480) + 0.5) / 480 * 24 - 12
        disc = np.hypot(offset[:, None], offset) <= 8
        overlaps.append((pasted & disc).sum() / (pasted | disc).sum())
    assert overlaps[0] < overlaps[1] < overlaps[2]
    assert overlaps[2] > 0.97


def branch_of_positions(branch: PointRendBranch) -> PointRendBranch:
    """A branch whose coarse head takes the two channels of positions; its output does not matter."""
    branch.coarse_head = CoarseHead(in_channels=2, resolution=RESOLUTION, fc_channels=2, num_classes=CLASSES)
    return branch


# ------------------------------------------------------------------------------------------------------ choice of rows


def test_boolean_selection_gives_the_same_losses() -> None:
    case = make_case()
    wanted, wanted_gradients = run_losses(build_branch(all_slots), case)
    losses, gradients = run_losses(build_branch(valid_slots), case)
    assert losses == pytest.approx(wanted, rel=1e-5)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, wanted_gradients[name], rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("valid", [VALID, np.zeros_like(VALID)], ids=["some", "none"])
def test_boolean_selection_gives_the_same_masks(valid: np.ndarray) -> None:
    wanted, _ = run_prediction(build_branch(all_slots), make_case(), valid)
    masks, _ = run_prediction(build_branch(valid_slots), make_case(), valid)
    np.testing.assert_allclose(masks, wanted, atol=1e-6)
    assert masks.any() == valid.any()


def test_boolean_selection_without_positives() -> None:
    case = make_case()
    case["labels"][:] = 0
    losses, gradients = run_losses(build_branch(valid_slots), case)
    assert losses == [0, 0]
    assert not any(gradient.any() for gradient in gradients.values())
