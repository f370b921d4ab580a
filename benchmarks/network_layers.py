"""The layers of Mask R-CNN R50-FPN in inference as data: shapes, arithmetic and bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["stem", "1x1", "1x1 add", "1x1 halving", "3x3", "3x3 halving", "two 1x1", "dense", "ROIAlign"]

BLOCKS = (3, 4, 6, 3)  # bottlenecks of C2 to C5
PYRAMID, LEVELS, STRIDES = 256, 5, (4, 8, 16, 32, 64)
PROPOSALS, DETECTIONS, CLASSES = 1000, 100, 90
ANCHOR_CHANNELS = 15  # objectness and deltas of three anchors
WINOGRAD = 4  # times fewer multiplications than the definition's


@dataclass(frozen=True)
class Layer:
    """One layer, called `count` times an image.

    group: the row of the profile's table.
    channels: of the input, and of the output.
    size: height and width of the input of a convolution, of the output of ROIAlign.
    boxes: rows of a dense layer; boxes that a convolution or ROIAlign computes; else 1.
    """

    group: str
    kind: Kind
    channels: tuple[int, int]
    size: tuple[int, int] = (1, 1)
    boxes: int = 1
    count: int = 1

    @property
    def pixels(self) -> int:
        """Returns the pixels of the output, all boxes included."""
        height, width = self.size
        halved = {"stem": 2, "1x1 halving": 2}.get(self.kind, 1)  # the stem's convolution
        return self.boxes * (height // halved) * (width // halved)

    @property
    def weights(self) -> int:
        """Returns the number of weights."""
        side = {"stem": 7, "3x3": 3, "3x3 halving": 3, "ROIAlign": 0}.get(self.kind, 1)
        return side * side * self.channels[0] * self.channels[1]

    @property
    def operations(self) -> float:
        """Returns multiplications and additions that are computed."""
        return 2.0 * self.pixels * self.weights / (WINOGRAD if self.kind.startswith("3x3") else 1)

    @property
    def bytes(self) -> float:
        """Returns the bytes of input, summand, output and weights, each once."""
        inputs, outputs = self.channels
        read = self.boxes * self.size[0] * self.size[1] * inputs
        written = self.pixels * outputs
        if self.kind == "1x1 add":
            read += written
        if self.kind == "ROIAlign":
            read = written  # four corners of a bin lie in the cache
        written //= 4 if self.kind in ("stem", "3x3 halving") else 1
        return 4.0 * (read + written + self.weights)


def network_layers(height: int, width: int) -> Iterator[Layer]:
    """Yields the layers for an image of this size, those of a group next to each other."""
    yield Layer("stem with pooling", "stem", (3, 64), (height, width))
    yield from backbone_layers(height, width)
    sizes = [(-(-height // stride), -(-width // stride)) for stride in STRIDES]
    for level in range(4):
        yield Layer("FPN 1x1", "1x1", (256 << level, PYRAMID), sizes[level])
    for level in range(4):
        yield Layer("FPN 3x3", "3x3", (PYRAMID, PYRAMID), sizes[level])
    for level in range(LEVELS):
        yield Layer("RPN 3x3", "3x3", (PYRAMID, PYRAMID), sizes[level])
    for level in range(LEVELS):
        yield Layer("RPN 1x1", "two 1x1", (PYRAMID, ANCHOR_CHANNELS), sizes[level])
    yield Layer("ROIAlign of the box head", "ROIAlign", (PYRAMID, PYRAMID), (7, 7), PROPOSALS)
    yield Layer("box head", "dense", (PYRAMID * 49, 1024), boxes=PROPOSALS)
    yield Layer("box head", "dense", (1024, 1024), boxes=PROPOSALS)
    yield Layer("box head", "dense", (1024, CLASSES + 1 + 4 * CLASSES), boxes=PROPOSALS)
    yield Layer("ROIAlign of the mask head", "ROIAlign", (PYRAMID, PYRAMID), (14, 14), DETECTIONS)
    yield Layer("mask head 3x3", "3x3", (PYRAMID, PYRAMID), (14, 14), DETECTIONS, count=4)
    yield Layer("mask head transposed", "1x1", (PYRAMID, 4 * PYRAMID), (14, 14), DETECTIONS)


def backbone_layers(height: int, width: int) -> Iterator[Layer]:
    """Yields the bottlenecks' layers; the first of a stage but C2's halves the map in its 3x3 convolution."""
    before = 64
    for stage, blocks in enumerate(BLOCKS):
        narrow, wide, first = 64 << stage, 256 << stage, stage == 0
        size = (height // STRIDES[stage], width // STRIDES[stage])
        entered = size if first else (2 * size[0], 2 * size[1])
        ones, threes = f"C{stage + 2} 1x1", f"C{stage + 2} 3x3"
        yield Layer(ones, "1x1", (before, narrow), entered)
        yield Layer(ones, "1x1", (wide, narrow), size, count=blocks - 1)
        yield Layer(ones, "1x1 add", (narrow, wide), size, count=blocks)
        yield Layer(ones, "1x1" if first else "1x1 halving", (before, wide), entered)
        yield Layer(threes, "3x3" if first else "3x3 halving", (narrow, narrow), entered)
        yield Layer(threes, "3x3", (narrow, narrow), size, count=blocks - 1)
        before = wide
