"""The second stage: classification and box regression of samples, and selection of detections.

Girshick, Fast R-CNN, 2015; two-layer head of Lin et al., FPN, 2017; detectron2 modeling/roi_heads/fast_rcnn.py.
Letters in shapes: B images, S samples and P proposals of an image, N boxes of all images, D detections, K classes.
"""

from collections.abc import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal

from mindrcnn.models.layers import RoiPooler, dense, xavier_fill
from mindrcnn.models.proposals import SUPPRESSED
from mindrcnn.models.sampling import Samples
from mindrcnn.ops import boxes as box_ops
from mindrcnn.ops.coder import decode
from mindrcnn.ops.gather import take_class, take_rows
from mindrcnn.ops.losses import SampleCount, at_least_one, softmax_cross_entropy
from mindrcnn.ops.nms import nms_per_class
from mindrcnn.ops.topk import topk


class BoxHead(nn.Cell):
    """Convolutions or none, fully connected layers, then class logits (background first) and deltas per class.

    class_agnostic: predicts the same deltas for all classes.
    convs: layers before the fully connected ones, each from maps (N, C, r, r) and valid (N,) to maps of that size.
    num_fcs: number of fully connected layers, 1 or 2.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        resolution: int,
        fc_channels: int,
        num_classes: int,
        class_agnostic: bool = False,
        convs: Sequence[nn.Cell] = (),
        num_fcs: int = 2,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.copies = num_classes if class_agnostic else 1  # of each box's deltas
        self.convs = nn.CellList(list(convs))
        self.fc1 = dense(in_channels * resolution * resolution, fc_channels, weight_init=xavier_fill())
        self.fc2 = dense(fc_channels, fc_channels, weight_init=xavier_fill()) if num_fcs == 2 else nn.Identity()
        self.class_logits = dense(fc_channels, num_classes + 1, weight_init=Normal(0.01))
        self.deltas = dense(fc_channels, 4 * num_classes // self.copies, weight_init=Normal(0.001))

    def construct(self, pooled: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Returns logits (N, K + 1) and deltas (N, K, 4); unspecified, and not to be used, in invalid rows.

        pooled: (N, C, r, r).
        valid: (N,) bool.
        """
        hidden = pooled
        for layer in self.convs:
            hidden = layer(hidden, valid)
        hidden = ops.relu(self.fc1(hidden.reshape(pooled.shape[0], -1)))
        hidden = ops.relu(self.fc2(hidden))
        deltas = ops.tile(self.deltas(hidden), (1, self.copies)) if self.copies > 1 else self.deltas(hidden)
        return self.class_logits(hidden), deltas.reshape(-1, self.num_classes, 4)


class BoxLoss(nn.Cell):
    """Cross-entropy over all samples and box errors of the positive ones, both divided by the number of samples.

    box_error: (deltas (B * S, 4), references (B, S, 4), gt_boxes (B, S, 4)) -> (B * S,); see box_errors.py.
    """

    def __init__(
        self,
        *,
        box_error: nn.Cell,
        class_weight: float,
        box_weight: float,
        sample_count: SampleCount = at_least_one,
    ) -> None:
        super().__init__()
        self.box_error = box_error
        self.class_weight = class_weight
        self.box_weight = box_weight
        self.sample_count = sample_count

    def construct(self, logits: Tensor, deltas: Tensor, samples: Samples, gt_boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the classification loss and the box loss, two scalars.

        logits: (B * S, K + 1).
        deltas: (B * S, K, 4).
        samples: as RoiSampler returns them.
        gt_boxes: (B, G, 4).
        """
        boxes, labels, valid, matched_gt = samples
        flat_labels = labels.reshape(-1)
        weight = valid.astype(ms.float32).reshape(-1)
        count = self.sample_count(weight.sum())
        class_loss = (softmax_cross_entropy(logits, flat_labels) * weight).sum()

        own_deltas = take_class(deltas, flat_labels)  # background rows have weight 0
        errors = self.box_error(own_deltas, boxes, take_rows(gt_boxes, matched_gt))
        positive = (flat_labels > 0).astype(ms.float32)
        box_loss = (errors * positive).sum()
        return class_loss * (self.class_weight / count), box_loss * (self.box_weight / count)


class DetectionSelector(nn.Cell):
    """Selection of detections from scores and deltas: score threshold, NMS per class, best of all classes."""

    def __init__(
        self,
        *,
        coder_weights: tuple[float, float, float, float],
        score_thresh: float,
        nms_thresh: float,
        detections_per_image: int,
        pre_nms_topk: int,
    ) -> None:
        super().__init__()
        self.coder_weights = coder_weights
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_image = detections_per_image
        self.pre_nms_topk = pre_nms_topk

    def construct(
        self, logits: Tensor, deltas: Tensor, proposals: Tensor, valid: Tensor, image_sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns boxes (B, D, 4), scores (B, D), labels (B, D) int32 and valid (B, D) bool.

        Boxes are clipped to the image, scores are descending, labels are in 1..K; unused slots have score 0 and label
        0. D is detections_per_image, or less if pre_nms_topk or P * K is smaller.

        logits: (B * P, K + 1).
        deltas: (B * P, K, 4).
        proposals: (B, P, 4), input pixels.
        valid: (B, P) bool.
        image_sizes: (B, 2) int32 (h, w).
        """
        boxes, best, labels = self.candidates(logits, deltas, proposals, valid, image_sizes)
        keep = nms_per_class(boxes, best, labels, best > 0, self.nms_thresh)
        kept_scores = ops.MaskedFill()(best, ops.logical_not(keep), SUPPRESSED)
        top, order = topk(kept_scores, self.detections_per_image)
        chosen = top > 0
        return (
            take_rows(boxes, order) * chosen.astype(ms.float32).expand_dims(2),
            ops.select(chosen, top, ops.zeros_like(top)),
            take_rows(labels, order) * chosen.astype(ms.int32),
            chosen,
        )

    def candidates(
        self, logits: Tensor, deltas: Tensor, proposals: Tensor, valid: Tensor, image_sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns boxes (B, C, 4), scores (B, C) and labels (B, C) int32 that enter suppression, from the arguments of
        `construct`.

        Scores are descending; at 0 a candidate is none. C is pre_nms_topk, or less if P * K is smaller.
        """
        batch, slots = valid.shape
        num_classes = deltas.shape[1]
        scores = ops.softmax(logits, axis=-1)[:, 1:].reshape(batch, slots, num_classes)
        usable = ops.logical_and(scores > self.score_thresh, valid.expand_dims(2))
        scores = ops.select(usable, scores, ops.zeros_like(scores)).reshape(batch, -1)
        # Greedy NMS works in score order, so cutting here changes nothing as long as D of these survive.
        best, index = topk(scores, self.pre_nms_topk)
        row = index // num_classes
        labels = index - row * num_classes + 1
        origin = take_rows(proposals, row)
        boxes = decode(take_rows(deltas.reshape(batch, -1, 4), index), origin, self.coder_weights)
        boxes = box_ops.clip(boxes, image_sizes)
        return boxes, best, labels


class BoxBranch(nn.Cell):
    """Pooling, head, losses and selection of the second stage.

    train_on_pred_boxes: train the mask branch on the boxes predicted here for the samples instead of the samples' own
        (detectron2 TRAIN_ON_PRED_BOXES); inference uses predicted boxes too.
    """

    loss_names = ("loss_cls", "loss_box_reg")

    def __init__(
        self,
        *,
        pooler: RoiPooler,
        head: BoxHead,
        loss: BoxLoss,
        selector: DetectionSelector,
        train_on_pred_boxes: bool = False,
    ) -> None:
        super().__init__()
        self.pooler = pooler
        self.head = head
        self.loss = loss
        self.selector = selector
        self.train_on_pred_boxes = train_on_pred_boxes

    def losses_and_samples(
        self, features: tuple[Tensor, ...], samples: Samples, gt_boxes: Tensor
    ) -> tuple[tuple[Tensor, Tensor], Samples]:
        """Returns the two losses, and the samples that a mask branch trains on.

        features: P2..P6.
        samples: as RoiSampler returns them.
        gt_boxes: (B, G, 4).
        """
        boxes, labels, valid, matched_gt = samples
        logits, deltas = self.outputs(features, boxes, valid)
        losses = self.loss(logits, deltas, samples, gt_boxes)
        if self.train_on_pred_boxes:
            own_deltas = take_class(deltas, labels.reshape(-1)).reshape(boxes.shape)
            boxes = ops.stop_gradient(decode(own_deltas, boxes, self.selector.coder_weights))
        return losses, (boxes, labels, valid, matched_gt)

    def outputs(self, features: tuple[Tensor, ...], boxes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the head's logits (B * S, K + 1) and deltas (B * S, K, 4) for boxes (B, S, 4)."""
        return self.head(self.pooler(features, boxes, valid), valid.reshape(-1))

    def predict(
        self, features: tuple[Tensor, ...], proposals: Tensor, valid: Tensor, image_sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns detections (boxes, scores, labels, valid) as DetectionSelector does."""
        logits, deltas = self.outputs(features, proposals, valid)
        return self.selector(logits, deltas, proposals, valid, image_sizes)

    def candidates(
        self, features: tuple[Tensor, ...], proposals: Tensor, valid: Tensor, image_sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns boxes, scores and labels before suppression, as DetectionSelector.candidates does."""
        logits, deltas = self.outputs(features, proposals, valid)
        return self.selector.candidates(logits, deltas, proposals, valid, image_sizes)
