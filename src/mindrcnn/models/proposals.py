"""Proposals from RPN outputs: best of each level, decoded, clipped, suppressed, then best of all levels.

Lin et al., Feature Pyramid Networks, 2017, section 5.1; detectron2 modeling/proposal_generator/proposal_utils.py.
Letters in shapes: B images, A_l anchors of level l, P proposals of an image.
"""

from mindspore import Tensor, nn, ops

from mindrcnn.ops import boxes as box_ops
from mindrcnn.ops.coder import decode
from mindrcnn.ops.gather import take_rows
from mindrcnn.ops.nms import nms
from mindrcnn.ops.topk import topk

RPN_CODER_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
SUPPRESSED = -1e30  # a score below every logit, finite so that later arithmetic stays finite


class ProposalSelector(nn.Cell):
    """Selection of proposals. Every `topk` is a (training, inference) pair; the argument `training` picks one."""

    def __init__(
        self, *, pre_nms_topk: tuple[int, int], post_nms_topk: tuple[int, int], nms_thresh: float, min_size: float
    ) -> None:
        super().__init__()
        self.pre_nms_topk = pre_nms_topk
        self.post_nms_topk = post_nms_topk
        self.nms_thresh = nms_thresh
        self.min_size = min_size

    def count(self, level_anchors: tuple[int, ...], training: bool) -> int:
        """Returns the number P of proposal slots per image for the number of anchors of each level."""
        pair = 0 if training else 1
        candidates = sum(min(self.pre_nms_topk[pair], anchors) for anchors in level_anchors)
        return min(self.post_nms_topk[pair], candidates)

    def construct(
        self,
        objectness: tuple[Tensor, ...],
        deltas: tuple[Tensor, ...],
        anchors: tuple[Tensor, ...],
        image_sizes: Tensor,
        training: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns boxes (B, P, 4) clipped to the image, logits (B, P) descending, and valid (B, P).

        P is the number that `count` returns.

        objectness: (B, A_l) logits of each level.
        deltas: (B, A_l, 4) of each level.
        anchors: (A_l, 4) of each level.
        image_sizes: (B, 2) int32 (h, w).
        training: use the training numbers of each pair.
        """
        pair = 0 if training else 1
        boxes: tuple[Tensor, ...] = ()
        scores: tuple[Tensor, ...] = ()
        for level in range(len(objectness)):
            level_boxes, level_scores = self.best_of_level(
                objectness[level], deltas[level], anchors[level], image_sizes, self.pre_nms_topk[pair]
            )
            boxes += (level_boxes,)
            scores += (level_scores,)
        all_boxes, all_scores = ops.cat(boxes, axis=1), ops.cat(scores, axis=1)
        best, index = topk(all_scores, self.post_nms_topk[pair])
        return take_rows(all_boxes, index), best, best > SUPPRESSED

    def best_of_level(
        self, objectness: Tensor, deltas: Tensor, anchors: Tensor, image_sizes: Tensor, count: int
    ) -> tuple[Tensor, Tensor]:
        """Returns the best proposals of one level: boxes (B, k, 4) and logits (B, k), SUPPRESSED where dropped by NMS.

        objectness: (B, A_l) logits.
        deltas: (B, A_l, 4).
        anchors: (A_l, 4).
        image_sizes: (B, 2) int32 (h, w).
        count: largest k.
        """
        scores, index = topk(objectness, count)
        best_anchors = ops.gather(anchors, index.reshape(-1), 0).reshape((*index.shape, 4))
        boxes = decode(take_rows(deltas, index), best_anchors, RPN_CODER_WEIGHTS)
        boxes = box_ops.clip(boxes, image_sizes)
        keep = nms(boxes, scores, box_ops.valid_size(boxes, self.min_size), self.nms_thresh)
        return boxes, ops.MaskedFill()(scores, ops.logical_not(keep), SUPPRESSED)
