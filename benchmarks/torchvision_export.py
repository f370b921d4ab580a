"""torchvision's Mask R-CNN as an ONNX file, written by torchvision's own export.

    python -m benchmarks.torchvision_export FILE HEIGHT WIDTH {pasted,unpasted}

It is a program of its own, so that a process which runs the file holds no PyTorch.
"""

import sys
from typing import Any

import torch

from benchmarks.torchvision_detector import inference_images, random_detector, set_score_thresh

OPSET = 17


def write(file: str, height: int, width: int, *, pasted: bool) -> None:
    """Writes the model for an image (3, height, width) float32; `pasted` includes the masks of the whole image."""
    model = random_detector("mask_rcnn", height, width).eval()
    images = inference_images(1, height, width)
    set_score_thresh(model, images)
    if not pasted:
        model.transform.postprocess = as_predicted
    settings: dict[str, Any] = {"dynamo": False} if "dynamo" in torch.onnx.export.__code__.co_varnames else {}
    with torch.inference_mode():
        torch.onnx.export(model, (images,), file, opset_version=OPSET, input_names=["image"], **settings)


def as_predicted(result: Any, image_shapes: Any, original_image_sizes: Any) -> Any:
    """Stands in for the pasting of masks; the boxes need no change, because the image has the network's size."""
    return result


if __name__ == "__main__":
    target, high, wide, masks = sys.argv[1:]
    write(target, int(high), int(wide), pasted=masks == "pasted")
