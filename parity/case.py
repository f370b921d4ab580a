"""Parity cases: the results of a reference implementation on one image, from weights that can be rebuilt.

A case is NAME.json (source, parameter names and shapes, polygons of the objects) and NAME.npz (arrays), with fill.py
beside them, whose fill(name, shape, gains, seed) returns every parameter.
"""

import importlib.util
import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mindrcnn.data.masks import Polygons
from mindrcnn.data.transforms.affine import AxisAffine
from mindrcnn.errors import InputError

MIN_EMPTY_SLOTS = 2  # unused ground-truth slots, so that padding is part of the comparison


@dataclass(frozen=True)
class GoldenCase:
    """One parity case.

    arrays: contents of NAME.npz.
    state: the reference's own state dict.
    polygons: for each object a list of flat corner lists.
    """

    name: str
    source: str
    arrays: dict[str, NDArray]
    state: dict[str, NDArray]
    polygons: list[list[list[float]]]

    @property
    def library(self) -> str:
        """Returns the reference's name without its version."""
        return self.source.split()[0]

    def image(self, channel_order: str) -> tuple[Tensor, Tensor]:
        """Returns the network input: images (1, 3, H, W) uint8 and image_sizes (1, 2) int32."""
        bgr = self.arrays["image_bgr"]
        pixels = bgr if channel_order == "bgr" else bgr[:, :, ::-1]
        images = np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
        return Tensor(images), Tensor(np.array([images.shape[2:]], np.int32))

    def ground_truth(self, mask_side: int) -> tuple[Tensor, ...]:
        """Returns gt_boxes, gt_labels, gt_valid, gt_crowd and gt_masks of a batch of one image."""
        boxes, labels = self.arrays["gt_boxes"], self.arrays["gt_labels"] + 1
        slots = len(boxes) + MIN_EMPTY_SLOTS
        gt_boxes, gt_labels = np.zeros((1, slots, 4), np.float32), np.zeros((1, slots), np.int32)
        gt_masks = np.zeros((1, slots, mask_side, mask_side), np.uint8)
        gt_boxes[0, : len(boxes)], gt_labels[0, : len(boxes)] = boxes, labels
        for slot, polygons in enumerate(self.polygons):
            parts = tuple(array("f", part) for part in polygons)
            gt_masks[0, slot] = Polygons(parts).rasterise(AxisAffine(), boxes[slot], mask_side)
        valid = gt_labels > 0
        return tuple(Tensor(value) for value in (gt_boxes, gt_labels, valid, np.zeros_like(valid), gt_masks))


def case_names(folder: Path) -> list[str]:
    """Returns the names of the cases in a folder, sorted. Raises InputError if there are none."""
    names = sorted(path.stem for path in folder.glob("*.npz"))
    if not names:
        raise InputError(f"{folder}: wanted parity cases (NAME.json with NAME.npz), got none")
    return names


def load_case(folder: Path, name: str) -> GoldenCase:
    """Reads a case and rebuilds its weights. Raises InputError if a file is missing."""
    description, arrays_file, fill_file = folder / f"{name}.json", folder / f"{name}.npz", folder / "fill.py"
    for file in (description, arrays_file, fill_file):
        if not file.is_file():
            raise InputError(f"{file}: no such file of parity case {name}")
    meta = json.loads(description.read_text(encoding="utf-8"))
    fill = _fill_function(fill_file)
    state = {key: fill(key, shape, meta["gains"], meta["seed"]) for key, shape in meta["shapes"].items()}
    with np.load(arrays_file) as arrays:
        return GoldenCase(
            name=name, source=meta["source"], arrays=dict(arrays), state=state, polygons=meta["gt_polygons"]
        )


def _fill_function(path: Path) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("fill", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = module.fill
    return function
