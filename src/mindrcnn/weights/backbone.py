"""Published ImageNet weights for backbones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mindspore import Tensor, nn

from mindrcnn.errors import InputError
from mindrcnn.messages import shorten
from mindrcnn.models.backbones.mobilenet_v1 import MobileNetV1
from mindrcnn.models.backbones.resnet import ResNet
from mindrcnn.models.layers import ConvNorm
from mindrcnn.weights.layouts import (
    CONVERTED_ZOO_RESNET,
    MINDCV_MOBILENET_V1,
    MINDCV_RESNET,
    MSRA_RESNET,
    OUR_BACKBONE,
    TENSORFLOW_MOBILENET_V1,
    TORCHVISION_RESNET,
    ZOO_RESNET,
    Layout,
)
from mindrcnn.weights.read import WeightsFile, read_weights

LAYOUTS: dict[type[nn.Cell], tuple[Layout, ...]] = {
    ResNet: (TORCHVISION_RESNET, MINDCV_RESNET, ZOO_RESNET, CONVERTED_ZOO_RESNET, MSRA_RESNET, OUR_BACKBONE),
    MobileNetV1: (TENSORFLOW_MOBILENET_V1, MINDCV_MOBILENET_V1, OUR_BACKBONE),
}
NAMES_SHOWN = 4  # per list in a message


@dataclass(frozen=True)
class LoadReport:
    """The result of load_backbone.

    Attributes:
        path: the file.
        layout: title of the layout that its names follow.
        loaded: names of the parameters that were set, which are all of the backbone's.
        dropped: entries of the file that a backbone has no place for, such as the classifier.
    """

    path: Path
    layout: str
    loaded: tuple[str, ...]
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        left_out = f"; left out: {shorten(self.dropped, NAMES_SHOWN)}" if self.dropped else ""
        return f"{self.path} ({self.layout}): {len(self.loaded)} backbone parameters loaded{left_out}"


def load_backbone(backbone: nn.Cell, path: Path) -> LoadReport:
    """Sets every parameter of `backbone` (ResNet or MobileNetV1) from a file of ImageNet weights.

    ResNet: torchvision's state dicts, mindcv's and the MindSpore zoo's .ckpt (as published, or after its
    convert_checkpoint.py), detectron2's MSRA pickles. MobileNetV1: mindcv's .ckpt and
    TensorFlow's weights with the batch norm folded in (Conv2d_0/weight, Conv2d_0/bias, Conv2d_1_depthwise/weight, ...).
    Both: the files that `mindrcnn convert` writes for a backbone. The names in the file tell which of these it is.
    Raises InputError, with the backbone untouched, unless the file fits exactly: for a parameter without an entry, an
    entry without a parameter (except those known to be of no use), another shape, or a value that is not finite.
    """
    return fill_backbone(backbone, read_weights(path))


def fill_backbone(backbone: nn.Cell, file: WeightsFile) -> LoadReport:
    """Does the same with a file that has been read."""
    layout = _detect_layout(backbone, file)
    values, used = _collect(backbone, file, layout)
    left = sorted(set(file.arrays) - used)
    dropped = tuple(name for name in left if layout.dropped.fullmatch(name))
    # names relative to the backbone, also where it is part of a detector
    parameters = dict(backbone.parameters_and_names())
    _check(file, layout, parameters, values, unexpected=[name for name in left if name not in dropped])
    for name, parameter in parameters.items():
        parameter.set_data(Tensor.from_numpy(values[name]))
    return LoadReport(path=file.path, layout=layout.title, loaded=tuple(parameters), dropped=dropped)


def _detect_layout(backbone: nn.Cell, file: WeightsFile) -> Layout:
    """Returns the layout that accounts for most of the file's names."""
    layouts = LAYOUTS[type(backbone)]
    blocks = [name for name, cell in backbone.cells_and_names() if isinstance(cell, ConvNorm)]

    def count_known(layout: Layout) -> int:
        return sum(source in file.arrays for block in blocks for source in layout.sources(block).values())

    best = max(layouts, key=count_known)
    if count_known(best) == 0:
        titles = ", ".join(layout.title for layout in layouts)
        raise InputError(
            f"{file.path}: for a {type(backbone).__name__} wanted weights named as in one of: {titles}; got "
            f"{shorten(sorted(file.arrays), NAMES_SHOWN)}"
        )
    return best


def _collect(backbone: nn.Cell, file: WeightsFile, layout: Layout) -> tuple[dict[str, np.ndarray], set[str]]:
    """Returns the file's values by our names, and the file's names that were looked up."""
    values: dict[str, np.ndarray] = {}
    used: set[str] = set()
    for block, cell in backbone.cells_and_names():
        if not isinstance(cell, ConvNorm):
            continue
        sources = layout.sources(block)
        values |= {ours: file.arrays[theirs] for ours, theirs in sources.items() if theirs in file.arrays}
        used |= set(sources.values())
        values |= layout.constants(block, cell.conv.out_channels)
    return {name: np.ascontiguousarray(value, np.float32) for name, value in values.items()}, used


def _check(
    file: WeightsFile, layout: Layout, parameters: dict, values: dict[str, np.ndarray], *, unexpected: list[str]
) -> None:
    missing = [name for name in parameters if name not in values]
    present = [name for name in parameters if name in values]
    reshaped = [
        f"{name} wanted {parameters[name].shape}, got {values[name].shape}"
        for name in present
        if parameters[name].shape != values[name].shape
    ]
    infinite = [name for name in present if not np.isfinite(values[name]).all()]
    faults = {
        "the backbone's parameters without an entry": missing,
        "entries without a place in the backbone": unexpected,
        "entries of another shape": reshaped,
        "entries with values that are not finite": infinite,
    }
    lines = [f"  {what}: {shorten(names, NAMES_SHOWN)}" for what, names in faults.items() if names]
    if lines:
        text = "\n".join([f"{file.path}: not the weights of this backbone ({layout.title})", *lines])
        raise InputError(text)
