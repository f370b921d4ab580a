"""The two-stage detector, composed of its parts (Ren et al., 2015; He et al., 2017)."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindrcnn.graphs.cell import CompiledCell
from mindrcnn.models.box_branch import BoxBranch
from mindrcnn.models.rpn import RegionProposalNetwork
from mindrcnn.models.sampling import RoiSampler
from mindrcnn.ops.arange import arange


class PixelNormalizer(nn.Cell):
    """Normalisation of pixels by mean and standard deviation that keeps the padding at exactly zero.

    Padding must be zero after normalisation, as in detectron2 and torchvision: a zero pixel would turn into -mean/std.
    """

    def __init__(self, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.shift = Tensor(-np.asarray(mean, np.float32))
        self.scale = Tensor((1.0 / np.asarray(std, np.float32)).reshape(1, -1, 1))
        self.add = ops.BiasAdd()
        self.outer = ops.BatchMatMul()

    def construct(self, images: Tensor, image_sizes: Tensor) -> Tensor:
        """Returns normalised images (B, 3, H, W) float32.

        images: (B, 3, H, W) uint8 or float32, 0..255.
        image_sizes: (B, 2) int32, the (h, w) of each image before padding.
        """
        batch, channels, height, width = images.shape
        rows = (arange(height).reshape(1, 1, -1) < image_sizes[:, 0].reshape(-1, 1, 1)).astype(ms.float32)
        columns = (arange(width).reshape(1, 1, -1) < image_sizes[:, 1].reshape(-1, 1, 1)).astype(ms.float32)
        # The scale inside the image and 0 outside, as an outer product: on a CPU, broadcasting operators keep two index
        # lists of eight bytes per value.
        scale = self.outer((self.scale * rows).reshape(batch, -1, 1), columns).reshape(batch, channels, height, width)
        return self.add(images.astype(ms.float32), self.shift) * scale


class TwoStageDetector(nn.Cell):
    """Backbone, pyramid, proposals, box branch and an optional mask branch.

    Letters in shapes: B images, G ground-truth slots, A anchors, P proposals, S samples, D detections, K classes, M
    mask side, R stored mask side. Boxes are xyxy float32 in pixels of the padded network input.

    A mask branch is any cell with `loss_names`, `noise_shapes(batch)`, `losses(features, samples, gt, *noise)` and
    `predict(features, detections)`. Without `train_mask` it predicts, but has no losses.
    """

    def __init__(
        self,
        *,
        pixels: PixelNormalizer,
        backbone: nn.Cell,
        neck: nn.Cell,
        rpn: RegionProposalNetwork,
        roi_sampler: RoiSampler,
        box: BoxBranch,
        mask: nn.Cell | None = None,
        train_mask: bool = True,
    ) -> None:
        super().__init__()
        self.pixels = pixels
        self.backbone = backbone
        self.neck = neck
        self.rpn = rpn
        self.roi_sampler = roi_sampler
        self.box = box
        self.mask = mask
        self.train_mask = train_mask
        self.loss_names = rpn.loss_names + box.loss_names
        if mask is not None and train_mask:
            self.loss_names += mask.loss_names

    def noise_shapes(self, batch: int, height: int, width: int, max_objects: int) -> tuple[tuple[int, ...], ...]:
        """Returns the shapes of rpn_noise (B, A), roi_noise (B, P + G) and any noise of the mask branch.

        height and width are those of the network input in pixels; max_objects is G.
        """
        anchors = self.rpn.anchors.counts(height, width)
        proposals = self.rpn.selector.count(anchors, training=True)
        mask_noise = self.mask.noise_shapes(batch) if self.mask is not None and self.train_mask else ()
        return (batch, sum(anchors)), (batch, proposals + max_objects), *mask_noise

    def features(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, ...]:
        """Returns the pyramid P2..P6 of images (B, 3, H, W), 0..255."""
        return self.neck(self.backbone(self.pixels(images, image_sizes)))

    def losses(
        self,
        images: Tensor,
        image_sizes: Tensor,
        gt_boxes: Tensor,
        gt_labels: Tensor,
        gt_valid: Tensor,
        gt_crowd: Tensor,
        gt_masks: Tensor,
        rpn_noise: Tensor,
        roi_noise: Tensor,
        *mask_noise: Tensor,
    ) -> tuple[Tensor, ...]:
        """Returns the training losses, scalars in the order of `loss_names`.

        images: (B, 3, H, W) uint8 or float32, 0..255.
        image_sizes: (B, 2) int32 (h, w).
        gt_boxes: (B, G, 4) float32.
        gt_labels: (B, G) int32.
        gt_valid: (B, G) bool.
        gt_crowd: (B, G) bool.
        gt_masks: (B, G, R, R) uint8.
        rpn_noise, roi_noise, mask_noise: uniform in [0, 1), of the shapes from `noise_shapes`.
        """
        features = self.features(images, image_sizes)
        rpn_losses, proposals, proposal_valid = self.rpn.losses_and_proposals(
            features, image_sizes, gt_boxes, gt_valid, gt_crowd, rpn_noise
        )
        samples = self.roi_sampler(proposals, proposal_valid, gt_boxes, gt_labels, gt_valid, gt_crowd, roi_noise)
        box_losses, samples = self.box.losses_and_samples(features, samples, gt_boxes)
        losses = rpn_losses + box_losses
        if self.mask is not None and self.train_mask:
            gt = (gt_boxes, gt_labels, gt_valid, gt_crowd, gt_masks)
            losses += self.mask.losses(features, samples, gt, *mask_noise)
        return losses

    def predict(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, ...]:
        """Returns boxes (B, D, 4), scores (B, D), labels (B, D) int32 (0 in unused slots) and valid (B, D).

        With a mask branch, masks (B, D, M, M) and mask_scores (B, D) follow; masks are probabilities of the predicted
        class inside the box.
        """
        features = self.features(images, image_sizes)
        proposals, _, proposal_valid = self.rpn.proposals(features, image_sizes)
        detections = self.box.predict(features, proposals, proposal_valid, image_sizes)
        if self.mask is None:
            return detections
        return detections + self.mask.predict(features, detections)

    def candidates(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, ...]:
        """Returns what `predict` chooses from: boxes (B, C, 4), scores (B, C) and labels (B, C), then P2..P6.

        As BoxBranch.candidates returns them.
        """
        features = self.features(images, image_sizes)
        proposals, _, proposal_valid = self.rpn.proposals(features, image_sizes)
        return self.box.candidates(features, proposals, proposal_valid, image_sizes) + features


class TrainingLosses(CompiledCell):
    """A detector whose call computes its losses; a train step differentiates it."""

    def __init__(self, *, detector: TwoStageDetector) -> None:
        super().__init__(auto_prefix=False)
        self.detector = detector

    def construct(self, *batch: Tensor) -> tuple[Tensor, ...]:
        """Takes the arguments and returns the result of `TwoStageDetector.losses`."""
        return self.detector.losses(*batch)


class Predictor(CompiledCell):
    """A detector whose call predicts; evaluation, inference and export run it."""

    def __init__(self, *, detector: TwoStageDetector) -> None:
        super().__init__(auto_prefix=False)
        self.detector = detector

    def construct(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, ...]:
        """Takes the arguments and returns the result of `TwoStageDetector.predict`."""
        return self.detector.predict(images, image_sizes)
