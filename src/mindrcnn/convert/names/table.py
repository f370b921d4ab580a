"""Tables of names, our parameter -> the other library's; one table serves import and export."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mindrcnn.weights.layouts import TORCH_NORM, Layout

MAX_CONVS = 8  # most convolutions of a head in the tables
_NORM = ".norm"  # end of the names of our norms, which have parts of other names than PyTorch's
_INNER_MASK = re.compile(r"^mask\.mask\.head\.")  # Mask Scoring R-CNN holds Mask R-CNN's branch as a part


@dataclass(frozen=True)
class NameTable:
    """One library's names.

    Attributes:
        prefix: prefix of its backbone's names.
        resnet: layers of its ResNet.
        layers: our layer -> its layer, outside the backbone; weight and bias have the same names everywhere, the parts
            of norms have PyTorch's.
        mobilenet: layers of its MobileNetV1; None if it has none.
        spellings: (pattern, replacement) from names of other versions to the names used here.
        ignored: pattern of entries that are not weights.
    """

    prefix: str
    resnet: Layout
    layers: Mapping[str, str]
    mobilenet: Layout | None = None
    spellings: tuple[tuple[str, str], ...] = ()
    ignored: re.Pattern[str] = field(default=re.compile(r".*\.num_batches_tracked"))

    def source(self, ours: str) -> str | None:
        """Returns its name for our parameter, or None if it has none (a part of a norm that it leaves out)."""
        if ours.startswith("backbone."):
            return self._backbone_source(ours.removeprefix("backbone."))
        layer, leaf = _INNER_MASK.sub("mask.head.", ours).rsplit(".", 1)
        if layer.endswith(_NORM):
            leaf = getattr(TORCH_NORM, leaf)
        return f"{self.layers[layer]}.{leaf}" if layer in self.layers else None

    def normalise(self, name: str) -> str:
        """Returns the table's spelling of a name in the file."""
        name = name.removeprefix("module.")  # added by torch's DataParallel
        for pattern, replacement in self.spellings:
            name = re.sub(pattern, replacement, name)
        return name

    def _backbone_source(self, ours: str) -> str | None:
        block = re.sub(r"\.(conv\.weight|norm\.\w+)$", "", ours)
        layout = self.resnet if re.search(r"\.(conv\d|shortcut)$", block) else self.mobilenet
        if layout is None:
            return None
        source = layout.sources(block).get(ours)
        return None if source is None else self.prefix + source


def numbered(ours: str, theirs: str, count: int, *, first: int = 0) -> dict[str, str]:
    """Maps `ours` to `theirs` with 0, 1, 2, ... and first, first + 1, ... in place of `#`."""
    return {ours.replace("#", str(i)): theirs.replace("#", str(i + first)) for i in range(count)}
