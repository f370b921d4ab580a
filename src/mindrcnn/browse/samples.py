"""Images of a split with their annotations, and the same images as the network gets them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mindrcnn.build.data import build_dataset, build_train_loader
from mindrcnn.config.data import AugmentConfig
from mindrcnn.config.run import Config
from mindrcnn.data.batching.batch import Batch
from mindrcnn.data.batching.loader import TrainLoader
from mindrcnn.data.image_io import RGBImage
from mindrcnn.data.record import Dataset, Record
from mindrcnn.drawing.objects import draw_objects, true_objects
from mindrcnn.drawing.training_input import draw_input, scale_of
from mindrcnn.errors import InputError

LONGEST = 1024  # longest side of a picture in pixels
LISTED = 10  # classes that a message lists if none has a similar name


@dataclass(frozen=True)
class Sample:
    """One image: two pictures, and what there is to say about it.

    raw: the image with its annotations.
    network: the input of the network with the boxes and mask targets of the batch.
    counts: the annotated objects by class, crowds included.
    size: (h, w) of the image.
    input_size: (h, w) of the network's input.
    valid_size: (h, w) of the part of it that the image fills.
    objects: the objects that the batch has, crowds excepted.
    epoch: the epoch whose augmentation is shown; None for a split that is not augmented.
    """

    name: str
    raw: RGBImage
    network: RGBImage
    counts: Mapping[str, int]
    size: tuple[int, int]
    input_size: tuple[int, int]
    valid_size: tuple[int, int]
    objects: int
    epoch: int | None


@dataclass(frozen=True, kw_only=True)
class Split:
    """One of train, val and test, with the loader that training has, or for the others one that only resizes."""

    name: str
    config: Config
    dataset: Dataset
    loader: TrainLoader

    def choose(self, count: int, *, classes: Sequence[str]) -> list[int]:
        """Returns the places of up to `count` of the loader's images, drawn by `train.seed`, in the loader's order.

        classes: an image has an object of any of these; empty takes every image.
        """
        labels = [self.dataset.classes.index(name) + 1 for name in classes]
        records = self.loader.records
        wanted = [n for n in range(len(records)) if not labels or np.isin(records[n].labels, labels).any()]
        drawn = np.random.default_rng(self.config.train.seed).permutation(len(wanted))[:count]
        return sorted(wanted[place] for place in drawn)

    def sample(self, index: int) -> Sample:
        """Returns an image of the loader. Raises InputError if it cannot be read."""
        record, classes = self.loader.records[index], self.dataset.classes
        batch, order = self.loader.single(index), self.config.model.pixel.channel_order
        valid_height, valid_width = batch.image_sizes[0].tolist()
        return Sample(
            name=record.path.name,
            raw=draw_annotated(record, classes),
            network=draw_input(batch, 0, classes, channel_order=order, longest=LONGEST),
            counts=count_objects(record, classes),
            size=record.size,
            input_size=_input_size(batch),
            valid_size=(valid_height, valid_width),
            objects=int(batch.gt_valid.sum()),
            epoch=1 if self.name == "train" else None,
        )


def open_splits(config: Config, names: Sequence[str]) -> list[Split]:
    """Reads the splits by name; all have the classes of the training split if the configuration has one."""
    data = config.data
    known = {"train": data.train, "val": data.val, "test": data.test}
    splits: list[Split] = []
    classes = data.classes
    if not classes and "train" not in names and (data.train.name or data.train.annotations):
        classes = build_dataset(data, data.train, "data.train").classes
    for name in names:
        dataset = build_dataset(replace(data, classes=classes), known[name], f"data.{name}")
        classes = classes or dataset.classes
        own = config if name == "train" else without_augmentation(config)
        single = replace(own, train=replace(own.train, batch_size=1))
        splits.append(Split(name=name, config=config, dataset=dataset, loader=build_train_loader(single, dataset)))
    return splits


def without_augmentation(config: Config) -> Config:
    """Returns a configuration whose training images are resized as those of an evaluation, empty ones included."""
    data = replace(config.data, augment=AugmentConfig(flip_prob=0.0), keep_empty_images=True)
    return replace(config, data=data)


def require_classes(names: Sequence[str], classes: Sequence[str]) -> None:
    """Raises InputError with the nearest names for a class that there is none of."""
    for name in names:
        if name not in classes:
            near = difflib.get_close_matches(name, classes, n=3, cutoff=0.5) or classes[:LISTED]
            raise InputError(f"--class: wanted a class of the data (nearest: {', '.join(near)}), got {name!r}")


def draw_annotated(record: Record, classes: Sequence[str]) -> RGBImage:
    """Draws an image with its annotations, as its file has them; a large one is reduced, a small one enlarged."""
    image = record.image()
    factor = scale_of(image, LONGEST)
    if factor > 1:  # before drawing, so that captions stay legible
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        return draw_objects(image, [one.magnified(int(factor)) for one in true_objects(record)], classes)
    drawn = draw_objects(image, true_objects(record), classes)
    return cv2.resize(drawn, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else drawn


def count_objects(record: Record, classes: Sequence[str]) -> dict[str, int]:
    """Returns the number of objects of each class that the image has, most frequent first."""
    return dict(Counter(classes[label - 1] for label in record.labels.tolist()).most_common())


def _input_size(batch: Batch) -> tuple[int, int]:
    height, width = batch.images.shape[2:]
    return height, width
