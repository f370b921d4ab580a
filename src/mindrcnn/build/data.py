"""Data sets and loaders, built from the keys under `data`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mindrcnn import paths
from mindrcnn.config.data import DataConfig, SplitConfig
from mindrcnn.config.run import Config
from mindrcnn.data.batching.batch import InputFormat, ObjectFormat
from mindrcnn.data.batching.loader import EvalLoader, TrainLoader
from mindrcnn.data.formats.format import DataFormat
from mindrcnn.data.formats.layout import SplitFiles
from mindrcnn.data.formats.registry import find_format
from mindrcnn.data.image_io import allow_pixels
from mindrcnn.data.record import Dataset, Record, training_records
from mindrcnn.data.transforms.augment import Augment
from mindrcnn.errors import InputError


def data_root(data: DataConfig) -> Path:
    """Returns the folder of the data set from the file system's root."""
    return paths.resolve(paths.expand(data.root))


def locate_split(data: DataConfig, split: SplitConfig, key: str) -> tuple[DataFormat, SplitFiles]:
    """Returns the format and the files of a split; `key` is its dotted name in the configuration, for messages."""
    if not data.root:
        raise InputError("data.root: wanted the folder of the data set, got nothing")
    if not (split.name or split.annotations):
        raise InputError(f"{key}: wanted a split name or an annotation file, got neither")
    data_format = find_format(split.format)
    files = data_format.locate(
        root=paths.expand(data.root),
        name=split.name,
        annotations=str(paths.expand(split.annotations)) if split.annotations else "",
        images=str(paths.expand(split.images)) if split.images else "",
    )
    files = replace(files, class_attribute=split.class_attribute, skip_missing=data.skip_missing_images)
    return find_format(files.format) if files.format else data_format, files


def build_dataset(data: DataConfig, split: SplitConfig, key: str) -> Dataset:
    """Reads one split; `key` is its dotted name in the configuration, for messages."""
    allow_large_images(data)
    data_format, files = locate_split(data, split, key)
    dataset = data_format.read(files, classes=data.classes, ignore_other_categories=data.ignore_other_categories)
    return dataset.first_evenly(split.limit) if split.limit else dataset


def training_classes(data: DataConfig) -> tuple[str, ...]:
    """Returns the classes that training expects of the validation split: those of its own split, empty without one.

    Raises InputError if that cannot be read.
    """
    if data.classes or not (data.train.name or data.train.annotations):
        return data.classes
    return build_dataset(data, data.train, "data.train").classes


def allow_large_images(data: DataConfig) -> None:
    """Lets the process read images of up to `data.max_megapixels`."""
    allow_pixels(round(data.max_megapixels * 1e6))


def build_input_format(config: Config) -> InputFormat:
    """Returns input sizes and channel order."""
    allow_large_images(config.data)
    return InputFormat(
        buckets=config.data.buckets,
        short_side=config.data.short_side,
        channel_order=config.model.pixel.channel_order,
        keep_ratio=config.data.keep_ratio,
    )


def build_train_loader(config: Config, dataset: Dataset, *, rank: int = 0, world_size: int = 1) -> TrainLoader:
    """Returns the loader of shuffled, augmented batches of the training split.

    config: the keys under `data`, and the batch size and seed of training.
    dataset: the training split.
    rank: number of this process, which takes its share of each batch.
    world_size: number of processes.
    """
    data, augment = config.data, config.data.augment
    trains_masks = config.model.mask is not None and config.train.mask_branch
    if trains_masks:
        dataset = dataset.require_masks()
    elif augment.copy_paste_prob:
        dataset = dataset.require_masks("data.augment.copy_paste_prob pastes them")
    mean = config.model.pixel.mean
    red, green, blue = mean if config.model.pixel.channel_order == "rgb" else mean[::-1]
    return TrainLoader(
        records=training_records(dataset, keep_empty_images=data.keep_empty_images),
        input_format=build_input_format(config),
        object_format=ObjectFormat(
            max_objects=data.max_objects,
            mask_side=data.mask_side if trains_masks else 1,
        ),
        augment=Augment(
            flip_prob=augment.flip_prob,
            short_sides=augment.short_sides,
            photometric_prob=augment.photometric_prob,
            expand_prob=augment.expand_prob,
            expand_max_ratio=augment.expand_max_ratio,
            expand_fill=(red, green, blue),
            crop_prob=augment.crop_prob,
            crop_min_scale=augment.crop_min_scale,
            crop_size=augment.crop_size,
            scale_jitter=augment.scale_jitter,
            copy_paste_prob=augment.copy_paste_prob,
            keep_ratio=data.keep_ratio,
        ),
        batch_size=config.train.batch_size,
        seed=config.train.seed,
        workers=data.workers,
        prefetch=data.prefetch,
        rank=rank,
        world_size=world_size,
        repeat_thresh=data.repeat_thresh,
    )


def build_eval_loader(config: Config, records: Sequence[Record]) -> EvalLoader:
    """Returns the loader that gives every record once, for evaluation and inference."""
    return EvalLoader(
        records=records,
        input_format=build_input_format(config),
        batch_size=config.eval.batch_size,
        workers=config.data.workers,
        prefetch=config.data.prefetch,
    )
