"""A detector's prediction as two graphs: candidates before suppression, and the masks of given boxes.

Between them, the boxes are suppressed or merged elsewhere. Letters in shapes as in detector.py; C is the number of
candidates.
"""

from mindspore import Tensor, nn

from mindrcnn.graphs.cell import CompiledCell
from mindrcnn.models.detector import TwoStageDetector


class CandidateStage(CompiledCell):
    """A detector whose call returns its features and the boxes from which detections are chosen."""

    def __init__(self, *, detector: TwoStageDetector) -> None:
        super().__init__(auto_prefix=False)
        self.detector = detector

    def construct(self, images: Tensor, image_sizes: Tensor) -> tuple[Tensor, ...]:
        """Returns boxes (B, C, 4), scores (B, C) and labels (B, C) int32 from 1, then P2..P6.

        Scores are descending, and 0 for a candidate that is none.
        """
        return self.detector.candidates(images, image_sizes)


class MaskStage(CompiledCell):
    """A mask branch, called on features and boxes."""

    def __init__(self, *, mask: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.mask = mask

    def construct(
        self, boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor, *features: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns masks (B, D, M, M) and mask_scores (B, D).

        boxes: (B, D, 4).
        scores: (B, D).
        labels: (B, D) int32.
        valid: (B, D) bool.
        features: P2..P6.
        """
        predicted: tuple[Tensor, Tensor] = self.mask.predict(features, (boxes, scores, labels, valid))
        return predicted
