"""PointRend: masks predicted point by point where they are uncertain (Kirillov et al., 2020, arXiv:1912.08193).

Semantics of detectron2 projects/PointRend. Letters in shapes: B images, S samples or D detections of an image, N boxes
of all images, K classes, P points of a box, M mask side, R side of the stored masks. Points are (x, y), fractions
(0..1) of their box.
"""

from itertools import pairwise

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import POOLED_STRIDES, dense, msra_normal, xavier_fill
from mindrcnn.models.mask_branch import GroundTruthBatch
from mindrcnn.models.sampling import Samples
from mindrcnn.models.slot_selection import SlotSelection, gather_slots, scatter_slots
from mindrcnn.ops.gather import take_class
from mindrcnn.ops.losses import SampleCount, at_least_one, bce_with_logits
from mindrcnn.ops.mask_targets import crop_masks
from mindrcnn.ops.point_sample import point_sample, points_in_boxes, points_in_image, sample_maps
from mindrcnn.ops.subdivision import cell_centres, doubled, grid_points, uncertain_cells, uncertain_points, write_cells

# Samples along each axis of one cell of the coarse target. A cell is a seventh of the object, too much to decide by the
# single sample that is enough for Mask R-CNN's 28 cells.
TARGET_SAMPLES = 4

Rows = tuple[Tensor, Tensor, Tensor]  # boxes (N, 4), labels (N,) int32, image (N,) int32


class CoarseHead(nn.Cell):
    """A 2x2 convolution of stride 2 and two fully connected layers, which give a small mask per class.

    resolution: side of the features, even; the masks have half of it.
    """

    def __init__(self, *, in_channels: int, resolution: int, fc_channels: int, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.resolution = resolution
        self.side = resolution // 2
        self.reduce = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size=2,
            stride=2,
            pad_mode="valid",
            has_bias=True,
            weight_init=msra_normal(),
            bias_init="zeros",
        )
        self.fc1 = dense(in_channels * self.side**2, fc_channels, weight_init=xavier_fill())
        self.fc2 = dense(fc_channels, fc_channels, weight_init=xavier_fill())
        self.prediction = dense(fc_channels, num_classes * self.side**2, weight_init=Normal(0.001))

    def construct(self, pooled: Tensor) -> Tensor:
        """Returns logits (N, K, side, side) of pooled features (N, C, resolution, resolution)."""
        hidden = ops.relu(self.reduce(pooled)).reshape(pooled.shape[0], -1)
        hidden = ops.relu(self.fc2(ops.relu(self.fc1(hidden))))
        return self.prediction(hidden).reshape(-1, self.num_classes, self.side, self.side)


class PointHead(nn.Cell):
    """Layers shared by all points; every layer, the last included, also reads the coarse prediction at the point."""

    def __init__(self, *, in_channels: int, num_layers: int, channels: int, num_classes: int) -> None:
        super().__init__()
        widths = [in_channels] + [channels] * num_layers
        self.fcs = nn.CellList([dense(a + num_classes, b, weight_init=msra_normal()) for a, b in pairwise(widths)])
        self.predictor = dense(widths[-1] + num_classes, num_classes, weight_init=Normal(0.001))

    def construct(self, fine: Tensor, coarse: Tensor, labels: Tensor) -> Tensor:
        """Returns logits (N, P) for each box's own class; those of other classes are never computed.

        fine: (N, P, C) features of the points.
        coarse: (N, P, K) logits of the points.
        labels: (N,) int32 in 1..K; 0 reads class 1.
        """
        hidden = fine
        for layer in self.fcs:
            hidden = ops.relu(layer(ops.concat((hidden, coarse), axis=2)))
        hidden = ops.concat((hidden, coarse), axis=2)
        own = ops.relu(labels - 1)
        weight = ops.gather(self.predictor.weight, own, 0).expand_dims(2)
        return ops.bmm(hidden, weight).squeeze(2) + ops.gather(self.predictor.bias, own, 0).expand_dims(1)


class TrainingPoints(nn.Cell):
    """Points that train the point head: the most uncertain of many random candidates, and some random ones.

    count: points per box.
    oversampling: number of candidates, as a multiple of count.
    importance: share of uncertain points.
    """

    def __init__(self, *, count: int, oversampling: float, importance: float) -> None:
        super().__init__()
        self.candidates = int(count * oversampling)
        self.uncertain = int(count * importance)
        self.noise_count = self.candidates + count - self.uncertain

    def construct(self, logits: Tensor, noise: Tensor) -> Tensor:
        """Returns points (N, P, 2).

        logits: (N, M, M).
        noise: (N, noise_count, 2) uniform in [0, 1): the candidates, then the random points.
        """
        if self.uncertain == 0:
            return noise[:, self.candidates :]
        chosen = uncertain_points(logits, noise[:, : self.candidates], self.uncertain)
        return ops.concat((chosen, noise[:, self.candidates :]), axis=1)


class PointRendBranch(nn.Cell):
    """A coarse mask of each box from a regular grid of points, refined at points by a second head.

    subdivision_steps: number of times the coarse mask doubles its side.
    subdivision_points: number of most uncertain cells that are predicted again after each doubling. Doublings after
        which these would be all cells are skipped: prediction begins on the first grid that has more.
    """

    loss_names = ("loss_mask", "loss_mask_point")

    def __init__(
        self,
        *,
        coarse_head: CoarseHead,
        point_head: PointHead,
        training_points: TrainingPoints,
        subdivision_steps: int,
        subdivision_points: int,
        select_slots: SlotSelection,
        max_positives: int,
        coarse_weight: float,
        point_weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.coarse_head = coarse_head
        self.point_head = point_head
        self.training_points = training_points
        self.select_slots = select_slots
        self.max_positives = max_positives
        self.coarse_weight = coarse_weight
        self.point_weight = point_weight
        self.sample_count = sample_count
        self.subdivision_points = subdivision_points
        self.first_side, self.steps = coarse_head.side, subdivision_steps
        while self.steps > 0 and (2 * self.first_side) ** 2 <= subdivision_points:
            self.first_side, self.steps = 2 * self.first_side, self.steps - 1

    def noise_shapes(self, batch: int) -> tuple[tuple[int, ...], ...]:
        """Returns the shape of the noise that `losses` takes for a batch of images."""
        return ((batch, self.max_positives, self.training_points.noise_count, 2),)

    def losses(
        self, features: tuple[Tensor, ...], samples: Samples, gt: GroundTruthBatch, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the loss of the coarse masks and the loss of the points, two scalars.

        features: P2..P6.
        samples: as RoiSampler returns them.
        gt: boxes, labels, valid, crowd and masks of the batch.
        noise: (B, max_positives, noise_count, 2) uniform in [0, 1).
        """
        boxes, labels, _, matched_gt = samples
        _, gt_labels, _, _, _ = gt
        p2 = features[0]
        count = self.max_positives
        positive = labels[:, :count] > 0
        slots = self.select_slots(positive)
        rows = self.rows(boxes[:, :count], labels[:, :count], slots)
        weight = gather_slots(positive, slots).astype(ms.float32)
        _, row_labels, image = rows
        objects = image * gt_labels.shape[1] + gather_slots(matched_gt[:, :count], slots)

        coarse = self.coarse(p2, rows)
        coarse_logits = take_class(coarse, row_labels)
        points = self.training_points(ops.stop_gradient(coarse_logits), gather_slots(noise[:, :count], slots))
        point_logits = self.refine(p2, rows, coarse, points)
        coarse_errors = bce_with_logits(coarse_logits, self.coarse_targets(rows, objects, gt)).mean(axis=(1, 2))
        point_errors = bce_with_logits(point_logits, self.point_targets(rows, objects, gt, points)).mean(axis=1)
        scale = 1 / self.sample_count(weight.sum())
        return (
            (coarse_errors * weight).sum() * scale * self.coarse_weight,
            (point_errors * weight).sum() * scale * self.point_weight,
        )

    def predict(
        self, features: tuple[Tensor, ...], detections: tuple[Tensor, Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Returns mask probabilities (B, D, M, M) of each detection's class in its own box, and mask scores (B, D).

        Masks are zero in unused slots; the mask scores are the class scores here. M is the coarse side after all
        doublings.

        features: P2..P6.
        detections: boxes (B, D, 4), scores (B, D), labels (B, D), valid (B, D).
        """
        boxes, scores, labels, valid = detections
        p2 = features[0]
        slots = self.select_slots(valid)
        rows = self.rows(boxes, labels, slots)
        coarse = self.coarse(p2, rows)
        side = self.first_side
        masks = self.refine(p2, rows, coarse, grid_points(slots.shape[0], side))
        masks = masks.reshape((-1, side, side))
        for _ in range(self.steps):
            masks, side = doubled(masks), 2 * side
            cells = uncertain_cells(masks, self.subdivision_points)
            refined = self.refine(p2, rows, coarse, cell_centres(cells, side))
            masks = write_cells(masks, cells, refined)
        return scatter_slots(ops.sigmoid(masks), slots, valid), scores

    def rows(self, boxes: Tensor, labels: Tensor, slots: Tensor) -> Rows:
        """Returns the boxes (B, S, 4) and labels (B, S) of the selected slots, and their images."""
        return ops.stop_gradient(gather_slots(boxes, slots)), gather_slots(labels, slots), slots // boxes.shape[1]

    def fine(self, feature: Tensor, rows: Rows, points: Tensor) -> Tensor:
        """Returns features (N, P, C) of P2 (B, C, H, W) at points (N, P, 2)."""
        boxes, _, image = rows
        return sample_maps(feature, image, points_in_image(boxes, points) / POOLED_STRIDES[0])

    def coarse(self, feature: Tensor, rows: Rows) -> Tensor:
        """Returns coarse logits (N, K, M, M), read from a regular grid of points."""
        resolution = self.coarse_head.resolution
        _, labels, _ = rows
        grid = self.fine(feature, rows, grid_points(labels.shape[0], resolution))
        return self.coarse_head(grid.transpose(0, 2, 1).reshape((-1, feature.shape[1], resolution, resolution)))

    def refine(self, feature: Tensor, rows: Rows, coarse: Tensor, points: Tensor) -> Tensor:
        """Returns logits (N, P) for the rows' own classes at points (N, P, 2)."""
        _, labels, _ = rows
        return self.point_head(self.fine(feature, rows, points), point_sample(coarse, points), labels)

    def coarse_targets(self, rows: Rows, objects: Tensor, gt: GroundTruthBatch) -> Tensor:
        """Returns (N, M, M) float32: 1 where the object covers at least half of the cell.

        objects: (N,) int32, numbered through all images of the batch.
        """
        boxes, _, _ = rows
        gt_boxes, _, _, _, gt_masks = gt
        side, stored = self.coarse_head.side, gt_masks.shape[-1]
        bits = crop_masks(
            gt_masks.reshape((1, -1, stored, stored)),
            gt_boxes.reshape((1, -1, 4)),
            objects.expand_dims(0),
            boxes.expand_dims(0),
            side * TARGET_SAMPLES,
        )
        cells = bits.reshape((-1, side, TARGET_SAMPLES, side, TARGET_SAMPLES)).mean(axis=(2, 4))
        return ops.stop_gradient((cells >= 0.5).astype(ms.float32))

    def point_targets(self, rows: Rows, objects: Tensor, gt: GroundTruthBatch, points: Tensor) -> Tensor:
        """Returns the object's stored mask, read bilinearly at the points: (N, P) float32 in 0..1.

        objects: (N,) int32, numbered through all images of the batch.
        points: (N, P, 2) in the rows' boxes.
        """
        boxes, _, _ = rows
        gt_boxes, _, _, _, gt_masks = gt
        stored = gt_masks.shape[-1]
        own_boxes = ops.gather(gt_boxes.reshape((-1, 4)), objects, 0)
        cells = points_in_boxes(own_boxes, points_in_image(boxes, points)) * stored
        labels = sample_maps(gt_masks.reshape((-1, 1, stored, stored)), objects, cells)
        return ops.stop_gradient(labels[..., 0])
