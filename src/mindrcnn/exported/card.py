"""The card that an exported model carries: how to prepare its images and what its numbers mean."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mindrcnn import __version__
from mindrcnn.config.loader import dump_config
from mindrcnn.config.run import Config
from mindrcnn.data.batching.buckets import padded_size
from mindrcnn.errors import InputError
from mindrcnn.messages import quote_value, shorten
from mindrcnn.untrusted.json_text import parse_json
from mindrcnn.untrusted.numbers import is_number, is_whole

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
        buckets: (height, width) to resize images into, before padding to multiples of 32; of a file with fixed shapes,
            the only one.
        short_side: length in pixels that the shorter side of an image is resized to, unless the bucket limits it.
        keep_ratio: whether images keep their ratio of sides; if not, they are stretched to fill the bucket.
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
    keep_ratio: bool
    batch: int | None
    score_thresh: float
    mask_thresh: float
    config: str

    def to_json(self) -> str:
        """Returns the card as JSON text."""
        return json.dumps(asdict(self))


def make_card(config: Config, *, classes: tuple[str, ...], category_ids: tuple[int, ...], batch: int | None) -> Card:
    """Returns the card of a model.

    config: the configuration that the model was built from; of a model with fixed shapes, with its only bucket.
    classes: see Card.
    category_ids: see Card.
    batch: the number of images per call that the model is fixed to; None if it takes any.
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
        buckets=config.data.buckets,
        short_side=config.data.short_side,
        keep_ratio=config.data.keep_ratio,
        batch=batch,
        score_thresh=model.box.score_thresh,
        mask_thresh=config.eval.mask_thresh,
        config=dump_config(config),
    )


def read_card(metadata: Mapping[str, str], file: Path) -> Card:
    """Returns the card among a file's texts. Raises InputError if there is none that this version can read."""
    if KEY not in metadata:
        raise InputError(f"{file}: wanted a model that `mindrcnn export` wrote, got one without its card")
    card = parse_json(metadata[KEY], f"{file} (its card)")
    if not isinstance(card, dict) or set(card) != set(_FIELDS):
        got = shorten(sorted(card), len(_FIELDS)) if isinstance(card, dict) else quote_value(card)
        raise InputError(
            f"{file}: its card was written by another version of MindRCNN: wanted {', '.join(_FIELDS)}, got {got}"
        )
    for name, value in card.items():
        wanted, is_good = _FIELDS[name]
        if not is_good(value):
            raise InputError(f"{file} (its card): {name}: wanted {wanted}, got {quote_value(value)}")
    if len(card["classes"]) != len(card["category_ids"]):
        got = f"{len(card['classes'])} and {len(card['category_ids'])}"
        raise InputError(f"{file} (its card): wanted as many classes as category_ids, got {got}")
    tuples = {name: tuple(card[name]) for name in ("classes", "category_ids")}
    return Card(**{**card, **tuples, "buckets": tuple((height, width) for height, width in card["buckets"])})


def fixed_shape_of(card: Card, file: Path) -> tuple[int, int, int]:
    """Returns the batch, height and width that a file is fixed to. Raises InputError if it takes any."""
    if card.batch is None or len(card.buckets) != 1:
        raise InputError(f"{file}: wanted a model of fixed shape (mindrcnn export --height --width), got one without")
    return card.batch, *padded_size(card.buckets[0])


def _is_text(value: Any) -> bool:
    # half of a surrogate pair, which JSON can hold, cannot be written anywhere
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _are_different(value: Any, is_good: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_good, value)) and len(set(value)) == len(value)


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(is_whole(side, 1) for side in value)


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


_TEXT = "a text", _is_text
_SHARE = "a number from 0 to 1", _is_share
_FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "version": _TEXT,
    "name": _TEXT,
    "model": _TEXT,
    "backbone": _TEXT,
    "classes": ("a list of different names", lambda value: _are_different(value, lambda name: _is_text(name) and name)),
    "category_ids": (
        "a list of different whole numbers",
        lambda value: _are_different(value, lambda number: type(number) is int),
    ),
    "channel_order": ("rgb or bgr", lambda value: value in ("rgb", "bgr")),
    "buckets": ("a list of [height, width]", lambda value: isinstance(value, list) and all(map(_is_size, value))),
    "short_side": ("a whole number of at least 1", lambda value: is_whole(value, 1)),
    "keep_ratio": ("true or false", lambda value: isinstance(value, bool)),
    "batch": ("null or a whole number of at least 1", lambda value: value is None or is_whole(value, 1)),
    "score_thresh": _SHARE,
    "mask_thresh": _SHARE,
    "config": _TEXT,
}
