"""The comparisons of all cases as one page."""

from collections.abc import Mapping, Sequence

from parity.comparison import Comparison

HEADER = """# Parity with detectron2, torchvision and mmdetection

Made by `python -m parity GOLDEN --out docs/parity.md`, where GOLDEN holds what the references computed from
weights that can be rebuilt by name. Each case imports the reference's own state dict with `mindrcnn.convert` and the
configuration that the importer writes for it, so the importer is part of what is compared.

Features, pooled features, class logits and box deltas: largest absolute difference over the standard deviation of the
reference's. Proposals, detections: share of the reference's that ours match with IoU above 0.99 and a score within
0.001. Training: losses of three steps of SGD with the reference's sampling order, and the gradient norm of every
parameter at the first.

Where ours is different on purpose: mask targets are cropped from bitmaps of the object's own box and binarised
(torchvision's are soft values of the full-size bitmap, detectron2 rasterises polygons), so the mask loss and what it
reaches differ by the shares shown, and after the first step so do all losses, since the weights are no longer equal;
pasting is detectron2's (torchvision rounds boxes to whole pixels).
"""


def parity_page(results: Mapping[str, Sequence[Comparison]], sources: Mapping[str, str]) -> str:
    """Returns Markdown with a table for each case."""
    parts = [HEADER]
    for case, comparisons in results.items():
        parts.append(f"## {case} ({sources[case]})\n\n| stage | measure | value | limit | |\n|---|---|---|---|---|")
        for one in comparisons:
            bound = f"{'>=' if one.share else '<='} {one.limit:g}"
            mark = "" if one.holds else "beyond"
            parts.append(f"| {one.stage} | {one.measure} | {one.value:.3g} | {bound} | {mark} |")
        parts[-1] += "\n"
    return "\n".join(parts)
