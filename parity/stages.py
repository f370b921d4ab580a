"""Comparison of inference, stage by stage.

Each stage reads this package's output of the stage before; pooling reads the reference's proposals.
"""

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mindrcnn.evaluation.paste import decode, encode_masks
from mindrcnn.models.detector import TwoStageDetector
from mindrcnn.ops.boxes import pairwise_iou
from parity.case import GoldenCase
from parity.comparison import Comparison, matched_share, relative_difference

# The golden arrays hold every 16th channel, every third cell and the first 64 boxes.
FEATURE_CHANNELS, FEATURE_CELLS, POOLED_BOXES = 16, 3, 64

FEATURE_LIMIT = 1e-3
MATCHED_LIMIT = 0.99
MASK_LIMIT = 5e-3  # the reference's probabilities are stored as float16
# torchvision rounds boxes to whole pixels before it pastes, and the masks of these made-up weights are all detail.
PASTED_LIMITS = {"torchvision": 0.5, "detectron2": 0.99, "mmdetection": 0.99}


def compare_features(case: GoldenCase, features: tuple[Tensor, ...]) -> list[Comparison]:
    """Compares pyramid levels by the largest difference over the level's standard deviation."""
    keys = [key for key in case.arrays if key.startswith("feat_")]
    step = FEATURE_CELLS
    found = []
    for level, (key, feature) in enumerate(zip(keys, features, strict=True), start=2):
        ours = feature.asnumpy()[:, ::FEATURE_CHANNELS, ::step, ::step]
        deviation = float(case.arrays[f"featstat_{key[5:]}"][1])
        difference = float(np.abs(ours - case.arrays[key]).max()) / deviation
        found.append(Comparison(f"P{level}", "difference / deviation", difference, FEATURE_LIMIT))
    return found


def compare_proposals(
    case: GoldenCase, detector: TwoStageDetector, features: tuple[Tensor, ...], sizes: Tensor
) -> Comparison:
    """Compares proposals by the share of the reference's that this package has."""
    boxes, logits, valid = (output.asnumpy()[0] for output in detector.rpn.proposals(features, sizes))
    boxes, logits = boxes[valid], logits[valid].astype(np.float64)
    arrays = case.arrays
    scores = their_scores = None
    if "proposal_logits" in arrays:
        scores, their_scores = logits, arrays["proposal_logits"]
    elif "proposal_scores" in arrays:
        scores, their_scores = 1 / (1 + np.exp(-logits)), arrays["proposal_scores"]
    share = matched_share(boxes, arrays["proposals"], scores, their_scores)
    return Comparison("proposals", "share matched", share, MATCHED_LIMIT, share=True)


def compare_box_head(case: GoldenCase, detector: TwoStageDetector, features: tuple[Tensor, ...]) -> list[Comparison]:
    """Compares pooled features, class logits and box deltas of the reference's first proposals."""
    arrays = case.arrays
    boxes = Tensor(arrays["proposals"][None, :POOLED_BOXES])
    valid = Tensor(np.ones((1, POOLED_BOXES), bool))
    pooled = detector.box.pooler(features, boxes, valid)
    logits, deltas = detector.box.head(pooled, valid.reshape(-1))
    pairs = {
        "pooled features": (pooled.asnumpy()[:, ::FEATURE_CHANNELS], arrays["roi7_first64"]),
        "class logits": (logits.asnumpy(), background_first(case, arrays["class_logits_first64"])),
        "box deltas": (deltas.asnumpy(), foreground_deltas(case, arrays["deltas_first64"])),
    }
    return [
        Comparison(stage, "difference / deviation", relative_difference(ours, theirs), FEATURE_LIMIT)
        for stage, (ours, theirs) in pairs.items()
    ]


def compare_detections(case: GoldenCase, outputs: tuple[Tensor, ...]) -> list[Comparison]:
    """Compares detections, the masks of the first ones, the same pasted into the image, and any mask IoU scores."""
    boxes, scores, labels, valid = (output.asnumpy()[0] for output in outputs[:4])
    boxes, scores, labels = boxes[valid], scores[valid], labels[valid]
    arrays = case.arrays
    share = matched_share(boxes, arrays["det_boxes"], scores, arrays["det_scores"])
    found = [Comparison("detections", "share matched", share, MATCHED_LIMIT, share=True)]
    if "det_masks" not in arrays:
        return found
    masks, mask_scores = (output.asnumpy()[0][valid] for output in outputs[4:6])
    same = _same_detections(case, len(arrays["det_masks"]), boxes, labels)
    matched = np.flatnonzero(same >= 0)
    ours = masks[same[matched]]
    differences = np.abs(ours - arrays["det_masks"][matched].astype(np.float32)).mean(axis=(1, 2))
    found.append(
        Comparison("masks", "median over masks of the mean difference", float(np.median(differences)), MASK_LIMIT)
    )
    height, width = arrays["image_bgr"].shape[:2]
    pasted = [decode(rle) for rle in encode_masks(ours, boxes[same[matched]], height=height, width=width)]
    bits = np.unpackbits(arrays["pasted_bits"], axis=1)[:, : height * width].reshape(-1, height, width)[matched]
    overlap = [_bitmap_iou(ours, theirs) for ours, theirs in zip(pasted, bits.astype(bool), strict=True)]
    found.append(
        Comparison("pasted masks", "median IoU", float(np.median(overlap)), PASTED_LIMITS[case.library], share=True)
    )
    if "mask_scores" in arrays:
        difference = np.abs(mask_scores[same[matched]] - arrays["mask_scores"][matched]).max()
        found.append(Comparison("mask scores", "largest difference", float(difference), 1e-3))
    return found


def background_first(case: GoldenCase, logits: NDArray) -> NDArray:
    """Returns class logits with the background in column 0."""
    return logits if case.library == "torchvision" else np.roll(logits, 1, axis=1)


def foreground_deltas(case: GoldenCase, deltas: NDArray) -> NDArray:
    """Returns deltas (N, K, 4) without those of a background class."""
    deltas = deltas.reshape(len(deltas), -1, 4)
    return deltas[:, 1:] if case.library == "torchvision" else deltas


def _same_detections(case: GoldenCase, count: int, boxes: NDArray, labels: NDArray) -> NDArray[np.intp]:
    """Returns our detections with the same box and class as the reference's first `count`; -1 where there is none."""
    first_class = 0 if case.library == "torchvision" else 1
    wanted = case.arrays["det_labels"][:count] + first_class
    iou = pairwise_iou(Tensor(case.arrays["det_boxes"][:count]), Tensor(boxes)).asnumpy()
    iou = iou * (labels == wanted[:, None])
    best = iou.argmax(axis=1)
    return np.where(iou[np.arange(count), best] > 0.9, best, -1)


def _bitmap_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0
