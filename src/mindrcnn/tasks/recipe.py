"""`mindrcnn train --recipe`: settings of training chosen from the data, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from mindrcnn.build.data import build_dataset
from mindrcnn.config.loader import load_config
from mindrcnn.config.model import BackboneConfig
from mindrcnn.config.run import Config
from mindrcnn.config.yaml_tree import Overrides
from mindrcnn.data.record import Record, training_records

COCO = "coco"
SMALL = "small"
MEDIUM = "medium"
RECIPES = (SMALL, MEDIUM, COCO)

SIDE_STEP = 32  # sides of the input are multiples of the coarsest stride
LEAST_SIDE, LARGEST_SIDE = 256, 800
SMALLEST_ANCHORS = (32, 16, 8)  # side of the smallest of five anchors, of which each is twice the one before
SIDE_WANTED = 16  # pixels of the input for a small object: two cells of P3
MANY = 0.1  # share of the images from which a shape gets a bucket of its own

SMALL_STEPS, SMALL_IMAGES, MOST_SMALL_STEPS = 600, 12, 8000
MEDIUM_SEEN, MEDIUM_EPOCHS = 288_000, (12, 64)


@dataclass(frozen=True)
class Choice:
    """A configuration key, its value, and the reason for it."""

    key: str
    value: Any
    reason: str


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """What recipes look at.

    images: number of images to train on.
    short_side: median of their short sides, in pixels.
    ratio: long side over short side, such that nine tenths of the images are no longer.
    portrait: share of the images that are higher than wide.
    small_object: side of an object (the root of its box's area) over its image's short side, such that nine tenths
        of the objects are larger.
    """

    images: int
    short_side: float
    ratio: float
    portrait: float
    small_object: float

    @classmethod
    def of(cls, records: Sequence[Record]) -> DataFacts:
        """Looks at every record, but at no image."""
        sizes = np.array([record.size for record in records], dtype=np.float64)
        shares = [
            np.sqrt((record.boxes[:, 2:] - record.boxes[:, :2]).astype(np.float64).prod(axis=1)) / min(record.size)
            for record in records
        ]
        return cls(
            images=len(records),
            short_side=float(np.median(sizes.min(axis=1))),
            ratio=float(np.quantile(sizes.max(axis=1) / sizes.min(axis=1), 0.9)),
            portrait=float((sizes[:, 0] > sizes[:, 1]).mean()),
            small_object=float(np.quantile(np.concatenate(shares), 0.1)),
        )


def with_recipe(config_file: Path, overrides: Overrides, recipe: str) -> tuple[Overrides, list[str]]:
    """Returns the overrides with a recipe's settings before them, and a line about each setting.

    Keys that the overrides set are left to them. Raises InputError for a configuration or a data set that cannot be
    read.

    config_file: the YAML file, which gives model and data.
    overrides: configuration keys to change.
    recipe: one of RECIPES.
    """
    config = load_config(config_file, overrides)
    if recipe == COCO:
        choices = coco_choices(config)
    else:
        dataset = build_dataset(config.data, config.data.train, "data.train")
        facts = DataFacts.of(training_records(dataset, keep_empty_images=False))
        choices = small_choices(config, facts) if recipe == SMALL else medium_choices(config, facts)
    merged = _prepend(choices, overrides)
    final = load_config(config_file, merged)
    return merged, [_describe(choice, recipe, final) for choice in choices]


def _prepend(choices: Sequence[Choice], overrides: Overrides) -> Overrides:
    if isinstance(overrides, Mapping):
        return {**{choice.key: choice.value for choice in choices}, **overrides}
    return [*(f"{choice.key}={json.dumps(choice.value)}" for choice in choices), *overrides]


def _describe(choice: Choice, recipe: str, config: Config) -> str:
    value = json.loads(json.dumps(reduce(getattr, choice.key.split("."), config)))  # tuples become lists
    if value != choice.value:
        return f"recipe {recipe}: {choice.key} stays {json.dumps(value)}, as given"
    return f"recipe {recipe}: {choice.key} = {json.dumps(choice.value)}: {choice.reason}"


def small_choices(config: Config, facts: DataFacts) -> list[Choice]:
    """Returns the settings for up to about two thousand images."""
    batch = min(2, facts.images)
    pretrained = is_pretrained(config)
    steps = SMALL_STEPS * np.sqrt(facts.images / SMALL_IMAGES) * (1 if pretrained else 3)
    length = int(min(max(round(steps / 50) * 50, SMALL_STEPS), MOST_SMALL_STEPS))
    times = length * batch / facts.images
    start = "" if pretrained else ", three times as often as from pretrained weights"
    return [
        *backbone_choices(config),
        *input_choices(config, facts, largest=min(LARGEST_SIDE, up(facts.short_side))),
        Choice("data.augment.flip_prob", 0.5, "objects look alike in a mirror; set 0 where they do not (letters)"),
        Choice("data.augment.photometric_prob", 0.5, "few images show few kinds of light"),
        Choice("train.batch_size", batch, "many small steps are better than few large ones on few images"),
        Choice("train.optimizer.type", "sgd", "the detectors' usual optimizer"),
        Choice("train.optimizer.clip_norm", 10.0, "single images of a small batch can have very large gradients"),
        Choice("train.schedule.kind", "cosine", "needs no milestones"),
        Choice("train.schedule.base_lr", 0.015, "for two images a step, with the limit on the gradient's norm"),
        Choice("train.schedule.reference_batch", 2, "the batch that base_lr is meant for"),
        Choice("train.schedule.unit", "iteration", "epochs of few images are too short to count in"),
        Choice("train.schedule.length", length, f"{facts.images} images, each seen about {times:.0f} times{start}"),
        Choice("train.schedule.warmup_iterations", min(length // 6, 200), "new layers settle first, but not for long"),
        Choice("train.eval_every", 0, "one evaluation of few images says little; there is one at the end"),
    ]


def medium_choices(config: Config, facts: DataFacts) -> list[Choice]:
    """Returns the settings for a few thousand to a few ten thousand images."""
    low, high = MEDIUM_EPOCHS
    epochs = int(min(max(round(MEDIUM_SEEN / facts.images), low), high))
    milestones = [round(epochs * 2 / 3), round(epochs * 11 / 12)]
    seen = f"{epochs * facts.images} images in all; detectron2 trains on VOC for 288,000 and on Cityscapes for 192,000"
    largest = max(up(min(facts.short_side, LARGEST_SIDE)), LEAST_SIDE)
    inputs = input_choices(config, facts, least=largest, largest=LARGEST_SIDE)
    side = next(choice.value for choice in inputs if choice.key == "data.short_side")
    sides = sorted({int(side * share) // SIDE_STEP * SIDE_STEP for share in (0.8, 0.85, 0.9, 0.95)} | {side})
    return [
        *backbone_choices(config),
        *inputs,
        Choice("data.augment.flip_prob", 0.5, "objects look alike in a mirror; set 0 where they do not (letters)"),
        *multi_scale_choices(config, sides, "four fifths of the input size to all of it, as detectron2 does"),
        *schedule_choices(epochs, milestones, f"{facts.images} images: {seen}"),
        Choice("train.eval_every", max(epochs // 12, 1), "about twelve evaluations"),
    ]


def coco_choices(config: Config) -> list[Choice]:
    """Returns the settings of detectron2's 1x schedule, whatever the data."""
    one_x = "detectron2's 1x schedule"
    return [
        *backbone_choices(config),
        Choice("data.buckets", [[800, 1344], [1344, 800]], one_x),
        Choice("data.short_side", 800, one_x),
        Choice("data.augment.flip_prob", 0.5, one_x),
        *multi_scale_choices(config, [640, 672, 704, 736, 768, 800], one_x),
        *schedule_choices(12, [8, 11], one_x),
    ]


def multi_scale_choices(config: Config, sides: list[int], reason: str) -> list[Choice]:
    """Returns several short sides, unless the configuration resizes in a way that has none."""
    if config.data.augment.scale_jitter or not config.data.keep_ratio:
        return []
    return [Choice("data.augment.short_sides", sides, reason)]


def schedule_choices(epochs: int, milestones: list[int], reason: str) -> list[Choice]:
    """Returns a schedule with detectron2's rates, of any length."""
    return [
        Choice("train.optimizer.type", "sgd", "the detectors' usual optimizer"),
        Choice("train.schedule.kind", "multistep", "as in detectron2's schedules"),
        Choice("train.schedule.base_lr", 0.02, "for 16 images a step; it follows the batch"),
        Choice("train.schedule.reference_batch", 16, "the batch that base_lr is meant for"),
        Choice("train.schedule.unit", "epoch", "the length is in epochs"),
        Choice("train.schedule.length", epochs, reason),
        Choice("train.schedule.milestones", milestones, "two thirds and eleven twelfths of the run"),
        Choice("train.schedule.warmup_iterations", 1000, "as in detectron2's schedules"),
    ]


def is_pretrained(config: Config) -> bool:
    """Says whether the backbone starts from weights."""
    return bool(config.train.init_checkpoint or getattr(config.model.backbone, "weights", ""))


def backbone_choices(config: Config) -> list[Choice]:
    """Returns what trains of our own backbones; nothing for another package's."""
    if not isinstance(config.model.backbone, BackboneConfig):
        return []
    if not is_pretrained(config):
        reason = "the backbone starts from nothing (no train.init_checkpoint, no model.backbone.weights)"
        return [
            Choice("model.backbone.frozen_stages", 0, reason),
            Choice("model.backbone.norm", "batch", reason),
        ]
    stages = 1 if config.model.backbone.name == "mobilenet_v1" else 2
    return [
        Choice("model.backbone.frozen_stages", stages, "edges and colours carry over from the pretrained weights"),
        Choice("model.backbone.norm", "frozen", "a few images a step cannot estimate better statistics"),
    ]


def input_choices(config: Config, facts: DataFacts, *, least: int = LEAST_SIDE, largest: int) -> list[Choice]:
    """Returns input sizes and anchors that fit small objects.

    config: the configuration.
    facts: of the data.
    least, largest: limits on the short side; `largest` takes precedence.
    """
    side = min(max(up(SIDE_WANTED / facts.small_object), least), max(largest, SIDE_STEP))
    pixels = side * facts.small_object
    long_side = up(side * min(facts.ratio, 2.0))
    shapes = [[side, long_side]] if facts.portrait < 1 - MANY else []
    shapes += [[long_side, side]] if facts.portrait > MANY and long_side > side else []
    choices = [
        Choice(
            "data.short_side",
            side,
            f"images have a median short side of {facts.short_side:.0f}, and a tenth of the objects are then smaller "
            f"than {pixels:.0f} pixels",
        ),
        Choice("data.buckets", shapes or [[long_side, side]], f"{facts.portrait:.0%} of the images are upright"),
    ]
    if config.train.init_checkpoint:
        return choices  # its anchors are those that it was trained with
    smallest = next((size for size in SMALLEST_ANCHORS if size <= pixels), SMALLEST_ANCHORS[-1])
    sizes = [float(smallest * 2**level) for level in range(5)]
    return [*choices, Choice("model.anchors.sizes", sizes, f"small objects are {pixels:.0f} pixels in the input")]


def up(side: float) -> int:
    """Rounds a side up to a multiple of the stride."""
    return int(-(-side // SIDE_STEP)) * SIDE_STEP
