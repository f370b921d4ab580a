"""torchvision's side: trains on what the other side prepared, and predicts without pasting masks.

    python -m benchmarks.training_beside.torchvision_side RUNS DATA MODEL SEED DEVICE

It needs torch, torchvision and numpy alone. DEVICE is torch's name, such as cpu or cuda.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from benchmarks.training_beside.piece import (
    EVAL_IMAGES,
    LOSSES,
    PREDICTIONS,
    SETTINGS,
    TORCHVISION,
    TRAIN_IMAGES,
    TRAINED,
    WEIGHTS,
    Run,
    write_json,
)
from benchmarks.training_beside.torchvision_network import build_detector, normalise

Arrays = Mapping[str, NDArray[Any]]


class TorchvisionSide:
    """A detector of torchvision whose parts are called on batches that are padded already.

    settings: what the other side wrote into settings.json.
    state: the initial weights by name.
    device: where it computes.
    """

    def __init__(self, settings: dict[str, Any], state: Arrays, device: torch.device) -> None:
        self.settings = settings
        self.device = device
        self.pixel = settings["model"]["pixel"]
        self.mask = settings["model"]["mask"]
        self.detector = build_detector(settings["model"], settings["classes"])
        self.detector.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        self.detector.to(device)

    def features(self, images: NDArray[np.uint8], sizes: NDArray[np.int32]) -> tuple[ImageList, dict[str, Tensor]]:
        """Returns images (B, 3, H, W) with their sizes, and the pyramid."""
        pixels = normalise(
            torch.from_numpy(images), torch.from_numpy(sizes), mean=self.pixel["mean"], std=self.pixel["std"]
        ).to(self.device)
        listed = ImageList(pixels, [(int(height), int(width)) for height, width in sizes])
        return listed, self.detector.backbone(pixels)

    def losses(
        self, images: NDArray[np.uint8], sizes: NDArray[np.int32], targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Returns the losses under our names; that of the masks has its weight."""
        listed, features = self.features(images, sizes)
        proposals, first = self.detector.rpn(listed, features, targets)
        _, second = self.detector.roi_heads(features, proposals, listed.image_sizes, targets)
        found = {**first, **second}
        losses = {ours: found[theirs] for ours, theirs in LOSSES.items() if theirs in found}
        if self.mask is not None:
            losses["loss_mask"] = losses["loss_mask"] * self.mask["weight"]
        return losses

    @torch.inference_mode()
    def predict(self, image: NDArray[np.uint8], size: NDArray[np.int32]) -> dict[str, NDArray[Any]]:
        """Returns boxes (D, 4), scores, labels, validity (D,) and masks (D, 28, 28) of one padded image."""
        listed, features = self.features(image[None], size[None])
        proposals, _ = self.detector.rpn(listed, features)
        (found,), _ = self.detector.roi_heads(features, proposals, listed.image_sizes)
        outputs = {
            "boxes": found["boxes"].cpu().numpy(),
            "scores": found["scores"].cpu().numpy(),
            "labels": found["labels"].cpu().numpy().astype(np.int32),
            "valid": np.ones(len(found["labels"]), bool),
        }
        if self.mask is not None:
            outputs["masks"] = found["masks"][:, 0].cpu().numpy()
        return outputs


def build_targets(arrays: Arrays, ids: list[int], device: torch.device) -> list[dict[str, Tensor]]:
    """Returns the objects of a batch as torchvision takes them; bitmaps cover the padded image."""
    targets = []
    for number in ids:
        target = {
            "boxes": torch.from_numpy(arrays[f"{number}/boxes"]),
            "labels": torch.from_numpy(arrays[f"{number}/labels"].astype(np.int64)),
        }
        if f"{number}/masks" in arrays:
            masks = arrays[f"{number}/masks"]
            canvas = np.zeros((len(masks), *arrays[f"{number}/image"].shape[1:]), np.uint8)
            canvas[:, : masks.shape[1], : masks.shape[2]] = masks
            target["masks"] = torch.from_numpy(canvas)
        targets.append({name: values.to(device) for name, values in target.items()})
    return targets


def train(side: TorchvisionSide, arrays: Arrays) -> dict[str, list[float]]:
    """Trains through the order of the images; returns the losses of each step."""
    optimizer_settings = side.settings["optimizer"]
    parameters = [parameter for parameter in side.detector.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(
        parameters,
        lr=0.0,
        momentum=optimizer_settings["momentum"],
        weight_decay=optimizer_settings["weight_decay"],
    )
    history: dict[str, list[float]] = {}
    side.detector.train()
    for ids, rate in zip(side.settings["order"], side.settings["learning_rates"], strict=True):
        images, sizes = (np.stack([arrays[f"{number}/{name}"] for number in ids]) for name in ("image", "size"))
        losses = side.losses(images, sizes, build_targets(arrays, ids, side.device))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(parameters, optimizer_settings["clip_norm"])
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        for name, loss in losses.items():
            history.setdefault(name, []).append(float(loss.detach()))
    return history


def require_float32() -> None:
    """Keeps a GPU from rounding the operands of products and convolutions to TF32, which ours does not."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def device_name(device: torch.device) -> str:
    """Returns the name of a GPU, or CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def main(run: Run, device: torch.device) -> None:
    """Trains and predicts; writes what each step lost and the detections."""
    require_float32()
    settings = json.loads((run.inputs / SETTINGS).read_text(encoding="utf-8"))
    torch.manual_seed(settings["seed"])
    with np.load(run.inputs / WEIGHTS) as state, np.load(run.inputs / TRAIN_IMAGES) as images:
        side, arrays = TorchvisionSide(settings, dict(state), device), dict(images)
    started = time.perf_counter()
    losses = train(side, arrays)
    seconds = time.perf_counter() - started
    side.detector.eval()
    with np.load(run.inputs / EVAL_IMAGES) as found:
        count = sum(name.endswith("/image") for name in found)
        outputs = {
            f"{number}/{name}": value
            for number in range(count)
            for name, value in side.predict(found[f"{number}/image"], found[f"{number}/size"]).items()
        }
    folder = run.side(TORCHVISION)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / PREDICTIONS, **outputs)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, {device_name(device)}"
    write_json(folder / TRAINED, {"losses": losses, "seconds": seconds, "versions": versions})


if __name__ == "__main__":
    *words, name = sys.argv[1:]
    main(Run.of(words), torch.device(name))
