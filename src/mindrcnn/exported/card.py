"""The card that an exported model carries: how to prepare its images and what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mindrcnn import __version__
from mindrcnn.config.loader import dump_config
from mindrcnn.config.run import Config
from mindrcnn.errors import InputError

KEY = "mindrcnn"  # in ONNX metadata_props and MINDIR user_info


@dataclass(frozen=True, kw_only=True)
class Card:
    """The description of an exported model.

    Attributes:
        version: the version of MindRCNN that wrote the file.
        name: the configuration's name.
        model: faster_rcnn, or the type of the mask branch.
        backbone: its name.
        classes: names; classes[label - 1] is that of a label.
        category_ids: the data set's ids of the classes, in the same order.
        channel_order: order of the colour channels of the images.
        buckets: (height, width) of inputs that suit the model; of a file with fixed shapes, the only one.
        short_side: length in pixels that the shorter side of an image is resized to, unless the bucket limits it.
        batch: images per call; None for any number.
        score_thresh: the model drops detections at or below this score.
        mask_thresh: the probability at which a mask's pixel belongs to the object.
        config: the complete configuration as YAML.
    """

    version: str
    name: str
    model: str
    backbone: str
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    channel_order: Literal["rgb", "bgr"]
    buckets: tuple[tuple[int, int], ...]
    short_side: int
    batch: int | None
    score_thresh: float
    mask_thresh: float
    config: str

    def to_json(self) -> str:
        """Returns the card as JSON text."""
        return json.dumps(asdict(self))


def make_card(
    config: Config, *, classes: tuple[str, ...], category_ids: tuple[int, ...], shape: tuple[int, int, int] | None
) -> Card:
    """Returns the card of a model.

    config: the configuration that the model was built from.
    classes: see Card.
    category_ids: see Card.
    shape: the batch, height and width that the model is fixed to; None if it takes any.
    """
    model = config.model
    return Card(
        version=__version__,
        name=config.name,
        model="faster_rcnn" if model.mask is None else model.mask.type,
        backbone=model.backbone.name,
        classes=classes,
        category_ids=category_ids,
        channel_order=model.pixel.channel_order,
        buckets=config.data.buckets if shape is None else (shape[1:],),
        short_side=config.data.short_side,
        batch=None if shape is None else shape[0],
        score_thresh=model.box.score_thresh,
        mask_thresh=config.eval.mask_thresh,
        config=dump_config(config),
    )


def read_card(metadata: Mapping[str, str], file: Path) -> Card:
    """Returns the card among a file's texts. Raises InputError if there is none that this version can read."""
    if KEY not in metadata:
        raise InputError(f"{file}: wanted a model that `mindrcnn export` wrote, got one without its card")
    try:
        fields: dict[str, Any] = json.loads(metadata[KEY])
        tuples = {name: tuple(fields[name]) for name in ("classes", "category_ids")}
        buckets = tuple((int(height), int(width)) for height, width in fields["buckets"])
        return Card(**{**fields, **tuples, "buckets": buckets})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: its card was written by another version of MindRCNN ({error})") from error


def fixed_shape_of(card: Card, file: Path) -> tuple[int, int, int]:
    """Returns the batch, height and width that a file is fixed to. Raises InputError if it takes any."""
    if card.batch is None or len(card.buckets) != 1:
        raise InputError(f"{file}: wanted a model of fixed shape (mindrcnn export --height --width), got one without")
    return card.batch, *card.buckets[0]
